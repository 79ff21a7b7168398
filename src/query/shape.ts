import { SnapheapError } from '../errors'
import { Slot } from './operand'
import {
  type Aggregate,
  type Condition,
  ensureNested,
  type Field,
  type Path,
  PLAN_LIMITS,
  type Plan,
  type Step,
} from './plan'

/** A plan with slots in place of the values, functions and classes in it, and these by slot. */
export interface Shape {
  /** The same for plans that differ in nothing but what is in their slots. */
  readonly key: string
  readonly plan: Plan
  readonly slots: readonly unknown[]
}

/**
 * Takes the values out of a plan, so that plans of one shape are planned and compiled once. Throws `INVALID_ARGUMENT`
 * beyond `PLAN_LIMITS`: what comes after may walk a shape by recursion.
 */
export function shapeOf(plan: Plan): Shape {
  const shaper = new Shaper()
  const slotted = shaper.plan(plan)
  return { key: shaper.key, plan: slotted, slots: shaper.slots }
}

class Shaper {
  key = ''
  readonly slots: unknown[] = []
  /** Plans that stand within each other where it has come to. */
  private depth = 0

  plan(plan: Plan): Plan {
    ensureNested(this.depth++, 'Plans', 'Compose steps that follow each other, and run a plan within others by itself.')
    ensureSteps(plan)
    this.key += '['
    const steps = plan.map((step) => this.step(step))
    this.key += ']'
    this.depth--
    return steps
  }

  private step(step: Step): Step {
    this.key += `${step.kind} `
    switch (step.kind) {
      case 'rows':
        this.name(step.table)
        return step
      case 'lookup':
      case 'values':
        this.name(step.table)
        this.name(step.column)
        return step
      case 'filter':
        this.name(step.of ?? '')
        return { ...step, condition: this.condition(step.condition) }
      case 'order':
        for (const { path, direction } of step.by) {
          this.path(path)
          this.key += `${direction} `
        }
        return step
      case 'get':
        this.name(step.of ?? '')
        this.path(step.path)
        return step
      case 'project':
        this.fields(step.fields)
        return step
      case 'group':
        this.fields(step.keys)
        this.aggregates(step.aggregates)
        return step
      case 'skip':
      case 'limit':
        return { ...step, count: this.slot(step.count) as unknown as number }
      case 'object':
        this.name(step.table)
        return { ...step, type: this.slot(step.type) }
      case 'test':
        return { ...step, test: this.slot(step.test) as never }
      case 'apply':
        return { ...step, make: this.slot(step.make) as never }
      case 'constant':
        return { ...step, values: this.slot(step.values) as never }
      case 'naturals':
        return { ...step, from: this.slot(step.from) as never }
      case 'product':
      case 'union':
        return { ...step, plans: step.plans.map((each) => this.plan(each)) }
      case 'among':
        this.key += step.isNegated ? '- ' : '+ '
        return { ...step, plan: this.plan(step.plan) }
      case 'distinct':
        return step
    }
  }

  private condition(condition: Condition): Condition {
    this.key += `${condition.kind} `
    switch (condition.kind) {
      case 'and':
      case 'or': {
        this.key += '('
        const conditions = condition.conditions.map((each) => this.condition(each))
        this.key += ')'
        return { ...condition, conditions }
      }
      case 'not':
        return { ...condition, condition: this.condition(condition.condition) }
      case 'compare':
      case 'text':
        this.path(condition.path)
        this.key += `${condition.operator} `
        return { ...condition, value: this.slot(condition.value) } as Condition
      case 'in': {
        this.path(condition.path)
        const { values } = condition
        if (!Array.isArray(values)) return { ...condition, values: this.slot(values) as never }
        this.key += `${values.length} `
        return { ...condition, values: values.map((each) => this.slot(each)) }
      }
      case 'terms':
        this.path(condition.path)
        return { ...condition, value: this.slot(condition.value) }
      case 'matches':
        this.path(condition.path)
        return { ...condition, pattern: this.slot(condition.pattern) as never }
      case 'satisfies':
        this.path(condition.path)
        return { ...condition, test: this.slot(condition.test) as never }
      case 'element':
        this.path(condition.path)
        return { ...condition, test: this.condition(condition.test) }
      case 'among':
        this.path(condition.path)
        return { ...condition, plan: this.plan(condition.plan) }
    }
  }

  private slot(value: unknown): Slot {
    this.slots.push(value)
    return new Slot(this.slots.length - 1)
  }

  private fields(fields: readonly Field[]): void {
    for (const { name, path } of fields) {
      this.name(name)
      this.path(path)
    }
  }

  private aggregates(aggregates: readonly Aggregate[]): void {
    for (const each of aggregates) {
      this.name(each.name)
      this.key += `${each.function} `
      if (each.path !== undefined) this.path(each.path)
    }
  }

  private path(path: Path): void {
    for (const { column, table, by } of path.references) {
      this.name(column)
      this.key += '>'
      this.name(table)
      if (by !== undefined) this.name(by)
    }
    this.name(path.column)
    if (path.inside.length > 0) this.key += JSON.stringify(path.inside)
  }

  /** Names are told apart whatever characters they have. */
  private name(name: string): void {
    this.key += `${name.length}:${name} `
  }
}

function ensureSteps({ length }: Plan): void {
  if (length <= PLAN_LIMITS.steps) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `A query of ${length} steps has more than ${PLAN_LIMITS.steps}, which is the limit. Join conditions by ` +
      'and(…), and what functions make in one function.',
    { limit: PLAN_LIMITS.steps },
  )
}
