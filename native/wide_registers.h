#pragma once

#include "processor.h"

// Loops that compilers turn into wider instructions where the processor that runs them has those: the loop is an
// ALWAYS_INLINE function, called by a plain function and by one marked WIDE, and HasWideRegisters says which to call.
#if defined(_MSC_VER)
#define ALWAYS_INLINE __forceinline
#else
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

#if defined(__x86_64__) && !defined(_MSC_VER)
#define WIDE __attribute__((target("avx2")))
#else
#define WIDE
#endif

namespace snapheap {

inline bool HasWideRegisters() {
#if defined(__x86_64__) && !defined(_MSC_VER)
  return HasAvx2();
#else
  return false;
#endif
}

}  // namespace snapheap
