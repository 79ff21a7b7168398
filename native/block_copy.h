#pragma once

#include <cstdint>

namespace snapheap {

struct Bytes {
  uint8_t* data;
  uint64_t size;
};

// Copies `size` bytes from one place to another; ranges of the same memory may overlap. False, and nothing is copied,
// when a range leaves its memory.
bool CopyBlock(Bytes target, uint64_t target_offset, Bytes source, uint64_t source_offset, uint64_t size);

}  // namespace snapheap
