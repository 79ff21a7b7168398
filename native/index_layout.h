#pragma once

#include <cstddef>
#include <cstdint>

#include "heap_words.h"

namespace snapheap {

// Ascending numbers in groups: those of group g end at ends[g], those of the first one, `from`, begin at `start`.
// `ends` has room for `count` groups.
struct NumberGroups {
  const uint32_t* numbers;
  size_t size;
  uint32_t start;
  const uint32_t* ends;
  size_t count;
  size_t from;
};

// What src/struct/posting-lists.ts and hash-segment.ts do. False where the arguments do not fit each other.

// Tells of the groups [from, to) their payload where it is their only number, and whether they have several; orders
// those of 2 to `most` numbers by the words of their lists. Fills `ordered` (room for all), and `limits` (room for most
// / 2 + 2) with where those of each number of words of numbers end. Leaves in `made` how many there are.
bool OrderLists(const NumberGroups& groups, size_t to, uint32_t most, uint32_t* payloads, uint32_t* flags, uint32_t* ordered,
                uint32_t* limits, size_t* made);

// Lays the lists of `count` groups out, `step` words from one to the next, each with the word that `base` has for its
// first number, and gives them their addresses as payloads. `words` are those of each list, `size` the halves that
// `lists` has.
bool LayLists(const NumberGroups& groups, const HeapWords& heap, uint32_t base, const uint32_t* ordered, const uint32_t* addresses,
              size_t count, size_t words, size_t step, uint32_t* payloads, uint32_t* lists, size_t size);

// Puts the entries [0, count) into a segment of mask + 1 words, which has room for them.
bool FillSegment(const uint32_t* hashes, const uint32_t* payloads, const uint32_t* flags, size_t count, uint32_t mask,
                 uint32_t* segment);

// Puts the entries of a segment of `words` words into two others of mask + 1 words, by a bit of their hashes. Adds to
// `counts` how many each got.
bool SplitSegment(const uint32_t* from, size_t words, uint32_t bit, uint32_t mask, uint32_t* zeros, uint32_t* ones,
                  uint32_t* counts);

}  // namespace snapheap
