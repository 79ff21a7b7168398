#pragma once

// Which instructions the processor that runs this has, asked of the processor itself or of the operating system: the
// run-time libraries of some compilers lack the variable that __builtin_cpu_supports reads.
namespace snapheap {

// crc32 (SSE 4.2) on x86-64, crc32c on ARM64.
bool HasCrcInstruction();

// AVX2, which the operating system must also keep when it switches threads. False on every processor but x86-64.
bool HasAvx2();

}  // namespace snapheap
