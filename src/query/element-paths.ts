import type { ScalarType } from '../table/column-type'
import { frozen, type Path } from './plan'
import { nothingInside, type PathResolver, stepNamed } from './table-paths'

/** Names within the elements of an array: none for an element itself. */
export class ElementPaths implements PathResolver {
  readonly table = ''
  readonly label: string

  constructor(
    private readonly array: string,
    private readonly elementType: ScalarType,
  ) {
    this.label = `An element of ${array}`
  }

  path(name: string): Path {
    if (name === '') return frozen({ references: [], column: '', inside: [], label: `${this.array}[]` })
    if (!this.holdsDocuments()) throw nothingInside(this, name, this.elementType)
    const inside = name.split('.').map(stepNamed)
    return frozen({ references: [], column: '', inside, label: `${this.array}[].${name}` })
  }

  /** The type of what stands at one of its paths. */
  type(path: Path): ScalarType {
    return path.inside.length === 0 ? this.elementType : 'any'
  }

  names(): readonly string[] {
    return []
  }

  leadsOn(): boolean {
    return false
  }

  holdsDocuments(): boolean {
    return this.elementType === 'any' || this.elementType === 'json'
  }

  operand(_name: string, value: unknown): unknown {
    return value
  }

  reading(): undefined {
    return undefined
  }
}
