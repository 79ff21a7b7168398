// The platforms that the package carries a binary for, and how the cross-compiler is called for each.

const NODE_NEEDS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']

/** glibc 2.28 is that of Debian 10, RHEL 8 and the official Linux binaries of Node 20. */
export const GLIBC = '2.28'
/** The first macOS for Apple processors; Node 20 itself runs from 10.15 on x64. */
export const MACOS = '11.0'

const linux = {
  format: 'ELF',
  flags: ['-fPIC', '-Wl,--version-script=toolchain/exports.map'],
}
const glibc = { ...linux, libraries: /^(lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-.*\.so\.\d)$/, glibc: GLIBC }
const musl = { ...linux, libraries: /^libc\.so$/ }
const darwin = {
  format: 'Mach-O',
  flags: ['-fPIC', '-Wl,-undefined,dynamic_lookup', '-Wl,-install_name,@rpath/snapheap.node'],
  libraries: /^\/usr\/lib\/libSystem\.B\.dylib$/,
  /** This linker has no list of exports. C++'s new and delete are weak: the loader takes one definition for all. */
  alsoExports: /^(_Zn[aw]|_Zd[al]P|__dso_handle$|_?mh_dylib_header$)/,
}
const windows = {
  format: 'PE',
  // Windows 10 1803 and newer have the placeholders that native/mapping_windows.cc needs
  flags: ['-DNTDDI_VERSION=0x0A000006', '-lapi-ms-win-core-memory-l1-1-6', '-lapi-ms-win-core-memory-l1-1-5'],
  libraries: /^(kernel32|advapi32|ntdll|psapi|ucrtbase|api-ms-win-[\w-]+)\.dll$/i,
  /** The compiler's own unwinder exports itself. It does no harm: a library here names what it imports from where. */
  alsoExports: /^(_Unwind_|_GCC_specific_handler$|_?_?unw_|__(de)?register_frame)/,
  /** Of Node besides Node-API: the others have it from their own C library. */
  ownNodeSymbols: ['uv_get_osfhandle'],
}

/**
 * `target` is the compiler's name of the platform, `libraries` the shared libraries that every such system has,
 * `exports` the functions that Node looks for in an addon.
 */
export const PLATFORMS = [
  { name: 'linux-x64', arch: 'x64', target: `x86_64-linux-gnu.${GLIBC}`, ...glibc },
  { name: 'linux-arm64', arch: 'arm64', target: `aarch64-linux-gnu.${GLIBC}`, ...glibc },
  { name: 'linux-x64-musl', arch: 'x64', target: 'x86_64-linux-musl', ...musl },
  { name: 'linux-arm64-musl', arch: 'arm64', target: 'aarch64-linux-musl', ...musl },
  { name: 'darwin-x64', arch: 'x64', target: `x86_64-macos.${MACOS}`, ...darwin },
  { name: 'darwin-arm64', arch: 'arm64', target: `aarch64-macos.${MACOS}`, ...darwin },
  { name: 'win32-x64', arch: 'x64', target: 'x86_64-windows-gnu', ...windows },
  { name: 'win32-arm64', arch: 'arm64', target: 'aarch64-windows-gnu', ...windows },
].map((platform) => ({ ...platform, exports: NODE_NEEDS }))
