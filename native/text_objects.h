#pragma once

#include <cstddef>
#include <cstdint>

#include "text_groups.h"

namespace snapheap {

// The groups of `GroupTexts`, of which the array has room for `size`.
struct TextGroups {
  uint32_t* halves;
  size_t size;
};

// What TextCreator of src/value/text-creator.ts does. Each returns false, or kOutside, where the arguments do not fit
// each other.

// Orders the first `count` groups that have no address by the words of their objects, those of more than `most_words`
// last. Fills `ordered` (room for `count`) and `ends` (most_words + 2), where those of each number of words end.
// Returns how many there are.
int64_t OrderTexts(const Texts& texts, const TextGroups& groups, size_t count, uint32_t most_words, uint32_t* ordered,
                   uint32_t* ends);

// Lays the objects of `count` groups out, `step` words from one to the next, and gives the groups their addresses.
bool LayTexts(const Texts& texts, const TextGroups& groups, const uint32_t* ordered, size_t count, const uint32_t* addresses,
              uint32_t step, uint32_t* objects);

// Puts the address of its group into each of `count` words that has the number of one.
bool SettleTexts(const TextGroups& groups, uint32_t* words, size_t count);

}  // namespace snapheap
