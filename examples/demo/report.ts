const WIDTH = 34

/** A heading. */
export function title(text: string): void {
  process.stdout.write(`\n${text}\n`)
}

/** One thing shown, what came out, and how long it took. */
export function line(what: string, result: string, tookMs?: number): void {
  const took = tookMs === undefined ? '' : `  (${formatMs(tookMs)})`
  process.stdout.write(`  ${what.padEnd(WIDTH)} ${result}${took}\n`)
}

/** A time with the unit that suits it. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  if (ms >= 1) return `${ms.toFixed(ms >= 10 ? 0 : 1)} ms`
  if (ms >= 0.001) return `${(ms * 1000).toFixed(ms >= 0.01 ? 0 : 1)} µs`
  return `${(ms * 1e6).toFixed(0)} ns`
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >>> 1]
}
