// Makes the golden file of the format that this build writes, once for every format:
// node scripts/run-bundled.mjs test/log/golden/make.ts FOLDER
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Store } from '../../../src/db/store'
import { fillGolden } from './contents'

const folder = process.argv[2]!
mkdirSync(folder)
const path = join(folder, 'golden.heap')
const store = Store.open(path, { segmentBytes: 4000 })
await fillGolden(store)
const files = [path, ...readdirSync(`${path}.log`).map((name) => join(`${path}.log`, name))]
const bundle = Object.fromEntries(files.map((file) => [file.slice(folder.length + 1), readFileSync(file, 'base64')]))
await store.close()
writeFileSync(`${folder}.json.gz`, gzipSync(JSON.stringify(bundle), { level: 9 }))
process.stdout.write(`version ${store.version}, ${files.length} files\n`)
