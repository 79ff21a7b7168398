// On Windows a library names the file that it imports a function from. Node may have been renamed, or be part of
// another executable: so the functions are looked up in whatever executable has loaded the addon.

/**
 * C++ that defines the pointers through which functions declared `dllimport` are called. Loading the addon fails where
 * one of them is missing.
 */
export function windowsStub(names) {
  const pointers = names.map((name) => `void* __imp_${name};`)
  const places = names.map((name) => `    {"${name}", &__imp_${name}},`)
  return `#include <windows.h>

extern "C" {
${pointers.join('\n')}
}

namespace {
const struct {
  const char* name;
  void** place;
} kSymbols[] = {
${places.join('\n')}
};
}  // namespace

extern "C" BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  const HMODULE executable = GetModuleHandleW(nullptr);
  for (const auto& symbol : kSymbols) {
    *symbol.place = reinterpret_cast<void*>(GetProcAddress(executable, symbol.name));
    if (*symbol.place == nullptr) return FALSE;
  }
  return TRUE;
}
`
}
