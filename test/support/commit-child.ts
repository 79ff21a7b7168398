// A process that commits until it is killed, and prints the version of each commit that was acknowledged;
// its arguments are the file and a seed.
import { Store } from '../../src/db/store'
import { commitForever } from './commit-load'

const [file, seed] = process.argv.slice(2) as [string, string]
const store = Store.open(file, { checkpoint: { logBytes: 100_000 }, segmentBytes: 30_000 })
await commitForever(store, Number(seed), (version) => process.stdout.write(`${version}\n`))
