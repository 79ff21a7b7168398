#pragma once

#include <cstddef>
#include <cstdint>

namespace snapheap {

// The widest stretch of memory that one window covers (src/heap/layout.ts, WINDOW_BYTES).
constexpr uint64_t kMaxWindowBytes = uint64_t{1} << 31;

// Whether [offset, offset + size) lies inside a thing of `whole` bytes. Written so that nothing overflows.
inline bool IsInside(uint64_t offset, uint64_t size, uint64_t whole) {
  return size <= whole && offset <= whole - size;
}

}  // namespace snapheap
