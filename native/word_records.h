#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "group_slots.h"

namespace snapheap {

// What src/table/index-builder.ts does for each word, a block or a bucket at a time. The caller has checked the arrays'
// sizes.

// A record: its number, the hash of its word, the word.
constexpr size_t kRecordHalves = 4;

// Counts the words, absent ones excepted, by the top bits of their hashes. False when a bucket is none of `buckets`.
bool CountWords(const uint32_t* words, size_t count, uint32_t seed, uint32_t shift, uint32_t* sizes, size_t buckets);

// Puts a record of each word, numbered from `number` on, behind those already in its bucket; leaves out absent words
// and those of other buckets than the `buckets` from `first_bucket` on. next[b] is the number of records before the
// next one of bucket b. False when a record would leave `records`, which has room for `capacity`.
bool SortWords(const uint32_t* words, size_t count, uint32_t number, uint32_t seed, uint32_t shift, uint32_t first_bucket,
               uint32_t* next, size_t buckets, uint32_t* records, size_t capacity);

// Groups records by word. Keeps its memory for the next time.
class RecordGrouper {
 public:
  // `numbers` gets the records' numbers, those of a group together, otherwise in their order; `ends`, for each group in
  // the order of their first records, where its numbers end, counted from `done`; `hashes` its hash. Returns how many
  // groups there are.
  size_t Group(const uint32_t* records, size_t count, uint32_t done, uint32_t* numbers, uint32_t* ends, uint32_t* hashes);

 private:
  GroupSlots slots_;
  std::vector<uint32_t> groups_;  // record -> group
  std::vector<uint32_t> firsts_;  // group -> record, then where its next number goes
};

}  // namespace snapheap
