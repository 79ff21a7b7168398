// Loads the addon that was built with sanitizers instead of the one that the package ships. scripts/test-native.mjs has
// it required by every process and worker thread that the tests start.
const { basename, join } = require('node:path')

const sanitized = join(__dirname, '..', 'native', 'build', 'sanitized', 'snapheap.node')
const { dlopen } = process

process.dlopen = (module, file, ...flags) =>
  dlopen.call(process, module, basename(file) === basename(sanitized) ? sanitized : file, ...flags)
