/** Long work cut into steps: whoever drives it may do something else between two of them. */
export type Steps<Result = void> = Generator<void, Result, void>

/** Does all of it now. */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
