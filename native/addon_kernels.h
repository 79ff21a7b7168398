#pragma once

#include <napi.h>

namespace snapheap {

// Exports what src/heap/kernels.ts declares.
void ExportKernels(Napi::Env env, Napi::Object exports);

}  // namespace snapheap
