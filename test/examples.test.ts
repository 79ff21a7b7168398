import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from './support/postgres'
import { runProgram } from './support/program'

const folder = join(dirname(fileURLToPath(import.meta.url)), '../examples')
const examples = readdirSync(folder).filter((name) => name.endsWith('.ts'))

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())

describe('examples/', () => {
  test('has programs', () => expect(examples.length).toBeGreaterThanOrEqual(5))

  test.each(examples)('%s fits on a screen, says what it shows, and prints what it says', async (name) => {
    const source = readFileSync(join(folder, name), 'utf8')
    expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(60)
    expect(source).toMatch(/^\/\/ .{30,}\n/)
    const { database } = await server.createDatabase('example')
    const { host, port, user } = server.tcpConnection
    const env = { DATABASE_URL: `postgres://${user}@${host}:${port}/${database}` }
    const output = await runProgram(join(folder, name), env)
    expect(output).toEqual({ exitCode: 0, stdout: promised(source), stderr: '' })
  })
})

/** The comment that an example ends in, as text. */
function promised(source: string): string {
  const [, comment] = source.split('// Prints:\n')
  return comment.replaceAll(/^\/\/ ?/gm, '')
}
