import { BINDING, Binding, type EntityObject } from './binding'
import { propertiesOf } from './class-definition'
import type { EntityClass } from './types'

const guards = new WeakSet<object>()

/**
 * Has an assignment to a property that the class does not have throw `INVALID_ARGUMENT`, where it would make one that
 * no row keeps. A proxy behind the highest prototype with columns hears of it: whatever the class knows is found before
 * it, so that neither reads nor assignments of known properties ever come so far.
 */
export function refuseUnknownProperties(type: EntityClass): void {
  const declaring = new Set<object>(propertiesOf(type).map(({ declaredBy }) => declaredBy.prototype))
  let last: object = type.prototype
  for (let each: object | null = last; each !== null; each = Object.getPrototypeOf(each)) {
    if (guards.has(each)) return
    if (declaring.has(each)) last = each
  }
  const guard = new Proxy(Object.create(Object.getPrototypeOf(last)), { set })
  guards.add(guard)
  Object.setPrototypeOf(last, guard)
}

/** `beyond` leads to the prototypes behind the guard, whose setters are the class's too. */
function set(beyond: object, name: string | symbol, value: unknown, receiver: object): boolean {
  const binding = (receiver as EntityObject)[BINDING]
  // prototypes, objects made with `new` and those of classes without a table are as any others
  if (binding instanceof Binding && !hasSetter(beyond, name)) binding.source.mapping.property(String(name))
  return Reflect.set(beyond, name, value, receiver)
}

function hasSetter(object: object, name: string | symbol): boolean {
  for (let each: object | null = object; each !== null; each = Object.getPrototypeOf(each)) {
    const found = Object.getOwnPropertyDescriptor(each, name)
    if (found !== undefined) return found.set !== undefined
  }
  return false
}
