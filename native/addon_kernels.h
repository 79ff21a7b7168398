#pragma once

#include <napi.h>

namespace snapheap {

// Export what src/heap/kernels.ts declares: what takes lines apart, what lays out words, and what reads them.
void ExportLineKernels(Napi::Env env, Napi::Object exports);
void ExportLoadKernels(Napi::Env env, Napi::Object exports);
void ExportScanKernels(Napi::Env env, Napi::Object exports);

}  // namespace snapheap
