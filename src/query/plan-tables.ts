import type { Condition, Path, Plan, Step } from './plan'

/** The tables that a plan reads. */
export function tablesOf(plan: Plan): Set<string> {
  const tables = new Set<string>()
  for (const step of plan) addStep(step, tables)
  return tables
}

function addStep(step: Step, tables: Set<string>): void {
  switch (step.kind) {
    case 'rows':
    case 'lookup':
    case 'values':
    case 'object':
      tables.add(step.table)
      return
    case 'filter':
      addCondition(step.condition, tables)
      return
    case 'order':
      for (const { path } of step.by) addPath(path, tables)
      return
    case 'get':
      addPath(step.path, tables)
      return
    case 'project':
      for (const { path } of step.fields) addPath(path, tables)
      return
    case 'group':
      for (const { path } of [...step.keys, ...step.aggregates]) if (path !== undefined) addPath(path, tables)
      return
    case 'product':
    case 'union':
      for (const each of step.plans) addPlan(each, tables)
      return
    case 'among':
      addPlan(step.plan, tables)
  }
}

function addPlan(plan: Plan, tables: Set<string>): void {
  for (const step of plan) addStep(step, tables)
}

function addCondition(condition: Condition, tables: Set<string>): void {
  switch (condition.kind) {
    case 'and':
    case 'or':
      for (const each of condition.conditions) addCondition(each, tables)
      return
    case 'not':
      addCondition(condition.condition, tables)
      return
    case 'among':
      addPlan(condition.plan, tables)
      break
    case 'element':
      addCondition(condition.test, tables)
  }
  addPath(condition.path, tables)
}

function addPath(path: Path, tables: Set<string>): void {
  for (const { table } of path.references) tables.add(table)
}
