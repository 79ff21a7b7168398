// Run as a process of its own: `open-read-only.ts PATH`, a database on a read-only file system. Prints as JSON what
// became of opening it.
import { Store } from '../../../src/db/store'
import type { SnapheapError } from '../../../src/errors'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'

const path = process.argv[2]
const outcome: Record<string, unknown> = {}
for (const memory of [loadNativeMemory()!, plainMemory()]) {
  const idsWith = async (options: object): Promise<unknown[]> => {
    const store = Store.open(path, { memory, ...options })
    const ids = Array.from(store.table('t').rows(), (row) => store.table('t').read(row).id)
    await store.close()
    return ids
  }
  const write = await idsWith({}).catch(({ code, message, details }: SnapheapError) => [
    code,
    /cannot be opened for writing \(\w+\)/.exec(message)?.[0],
    message.includes(path) && message.includes('{ readOnly: true }'),
    details.systemCode === 'EROFS',
  ])
  outcome[memory.name] = {
    write,
    readOnly: await idsWith({ readOnly: true }),
    follow: await idsWith({ follow: true }),
  }
}
const reader = Store.open(path, { readOnly: true })
outcome.save = await reader.saveAs(`${path}.copy`).then(
  () => 'saved',
  (error: SnapheapError) => [error.code, error.details.systemCode],
)
await reader.close()
console.log(JSON.stringify(outcome))
