// Builds the addon for every platform of the package on one Linux x64 machine, into
// native/prebuilds/<platform>/snapheap.node, and checks each binary. One that is there already, made from the same
// sources in the same way, is only checked.
//
//   npm run prebuilds                          all eight
//   npm run prebuilds -- linux-arm64 …         these
//   npm run prebuilds -- --check               builds nothing; fails unless all eight are there, current and right
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { binaryOf, hashOfSources, markOf } from './native-sources.mjs'
import { compile, hashOfRecipe, installCompiler } from './prebuilds/compiler.mjs'
import { faultsOf, inspect, NODE_SYMBOL } from './prebuilds/inspect.mjs'
import { PLATFORMS } from './prebuilds/platforms.mjs'

const names = process.argv.slice(2).filter((name) => !name.startsWith('--'))
const isCheck = process.argv.includes('--check')
const unknown = names.filter((name) => !PLATFORMS.some((platform) => platform.name === name))
if (unknown.length > 0) fail(`No such platform: ${unknown.join(', ')}. There are ${PLATFORMS.map(nameOf).join(', ')}.`)

const sourcesHash = hashOfSources()
const chosen = names.length === 0 ? PLATFORMS : PLATFORMS.filter(({ name }) => names.includes(name))
if (isCheck) check()
else build()

function check() {
  const faults = chosen.flatMap((platform) => {
    const found = faultsOf(binaryOf(platform.name), platform)
    if (found.length === 0 && !isCurrent(platform))
      found.push('It was not made from these sources by npm run prebuilds.')
    return found.map((fault) => `${platform.name}: ${fault}`)
  })
  if (faults.length > 0) fail(`${faults.join('\n')}\nThe package needs all of its binaries. Run: npm run prebuilds`)
  process.stdout.write(`prebuilds: ${chosen.length} binaries are there and right\n`)
}

function build() {
  let isInstalled = false
  // The functions of Node that the addon calls are read from a binary that names them, for those that cannot.
  const reference = PLATFORMS[0]
  const needsReference = chosen.some(({ format }) => format === 'PE') && !chosen.includes(reference)
  const all = needsReference ? [reference, ...chosen] : chosen
  for (const [index, platform] of all.entries()) {
    const output = binaryOf(platform.name)
    process.stdout.write(`[${index + 1}/${all.length}] ${platform.name}: `)
    if (isCurrent(platform) && faultsOf(output, platform).length === 0) {
      process.stdout.write('up to date\n')
      continue
    }
    const startedMs = performance.now()
    try {
      if (!isInstalled) installCompiler()
      isInstalled = true
      process.stdout.write('compiling (the first time minutes, with its C++ library) … ')
      compile(platform, symbolsFor(platform), output, (made) => {
        const faults = faultsOf(made, platform)
        if (faults.length > 0) throw new Error(`It was built, but is not fit to be published. ${faults.join(' ')}`)
      })
    } catch (error) {
      fail(`\n${error.message}\n${platform.name} was not built.`)
    }
    writeFileSync(`${output}.sha256`, `${sourcesHash}\n${hashOfRecipe(platform)}\n`)
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    process.stdout.write(`${statSync(output).size.toLocaleString('en')} bytes, ${seconds} s\n`)
  }
}

function symbolsFor({ ownNodeSymbols }) {
  if (ownNodeSymbols === undefined) return []
  const { imports } = inspect(readFileSync(binaryOf(PLATFORMS[0].name)))
  return [...imports.filter((name) => NODE_SYMBOL.test(name)), ...ownNodeSymbols].sort()
}

function isCurrent(platform) {
  const [sources, recipe] = markOf(binaryOf(platform.name))
  return sources === sourcesHash && recipe === hashOfRecipe(platform)
}

function nameOf({ name }) {
  return name
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
