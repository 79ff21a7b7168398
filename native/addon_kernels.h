#pragma once

#include <napi.h>

namespace snapheap {

// Export what src/heap/kernels.ts declares: for received lines, for texts, for indexes, and for scans and groups.
void ExportLineKernels(Napi::Env env, Napi::Object exports);
void ExportTextKernels(Napi::Env env, Napi::Object exports);
void ExportIndexKernels(Napi::Env env, Napi::Object exports);
void ExportScanKernels(Napi::Env env, Napi::Object exports);

// Exports `writeBeside` of src/heap/memory.ts, where the platform has the calls that it takes.
void ExportFileWrite(Napi::Env env, Napi::Object exports);

}  // namespace snapheap
