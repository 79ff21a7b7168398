import 'reflect-metadata'
import fc from 'fast-check'
import { open } from '../../../src/index'
import { facesAgree } from './faces'

// Proves in a process of its own what FACES_SEED leads to, and says whether its queries were compiled.
await fc.assert(facesAgree, {
  seed: Number(process.env.FACES_SEED),
  numRuns: Number(process.env.FACES_RUNS),
  endOnFailure: true,
})
const db = await open()
db.write((tx) => tx.createTable('animal', { key: 'id', columns: { id: 'integer', legs: 'integer' } }))
const { code } = db
  .query('animal')
  .where({ legs: { gt: 2 } })
  .explain().steps[0]
await db.close()
console.log(code === undefined ? 'agreed by closures' : 'agreed by compiled code')
