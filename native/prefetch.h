#pragma once

namespace snapheap {

// Begins to fetch what will be read soon, so that waits for memory overlap.
inline void Prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

}  // namespace snapheap
