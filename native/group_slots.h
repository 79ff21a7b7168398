#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace snapheap {

// Finds the groups of equal things by their hash: open addressing, at most half full.
class GroupSlots {
 public:
  // Forgets all, and makes room for so many groups.
  void Reset(size_t groups) {
    size_t size = 2;
    while (size < groups * 2) size *= 2;
    slots_.assign(size, 0);
  }

  // The slot of the group with this hash for which `is_equal(group)` holds. It holds 1 + group, or 0 for the caller to
  // fill.
  template <typename IsEqual>
  uint32_t& Of(uint32_t hash, IsEqual is_equal) {
    const size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    while (slots_[slot] != 0 && !is_equal(slots_[slot] - 1)) slot = (slot + 1) & mask;
    return slots_[slot];
  }

 private:
  std::vector<uint32_t> slots_;
};

}  // namespace snapheap
