#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace snapheap {

constexpr size_t kBlockBytes = 32768;

// Reads the words of a heap as src/heap/view.ts does: block table -> window -> word (sizes: src/heap/layout.ts).
//
// Invariant: no address, whatever the heap says, leads outside the memory given here.
class HeapWords {
 public:
  static constexpr uint32_t kBlockShift = 12;
  static constexpr uint32_t kBlockMask = (1u << kBlockShift) - 1;

  struct Window {
    const uint32_t* halves;
    size_t blocks;
  };

  HeapWords(const uint32_t* table, size_t blocks, std::vector<Window> windows)
      : table_(table), blocks_(blocks), windows_(std::move(windows)) {}

  // The word at an address, low half first, with those behind it up to the end of its block; null outside the heap.
  const uint32_t* At(uint32_t address) const {
    const size_t block = address >> kBlockShift;
    if (block >= blocks_) return nullptr;
    const size_t slot = table_[block] >> 16;
    const size_t place = table_[block] & 0xffff;
    if (slot >= windows_.size() || place >= windows_[slot].blocks) return nullptr;
    return windows_[slot].halves + (((place << kBlockShift) | (address & kBlockMask)) << 1);
  }

 private:
  const uint32_t* table_;
  size_t blocks_;
  std::vector<Window> windows_;
};

}  // namespace snapheap
