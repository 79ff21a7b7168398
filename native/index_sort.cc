#include "index_sort.h"

#include <algorithm>
#include <vector>

#include "word_hash.h"
#include "word_records.h"

namespace snapheap {
namespace {

// Calls visit(words, count, number) for the words of each block. False when one is outside the heap, or `visit` says
// so.
template <typename Visit>
bool EachBlock(const HeapWords& heap, const IndexedWords& words, Visit visit) {
  for (uint32_t number = 0; number < words.limit;) {
    const uint32_t address = words.base + number;
    const uint32_t in_block = HeapWords::kBlockMask + 1 - (address & HeapWords::kBlockMask);
    const uint32_t count = std::min(in_block, words.limit - number);
    const uint32_t* block = heap.At(address);
    if (block == nullptr || !visit(block, count, number)) return false;
    number += count;
  }
  return true;
}

uint32_t BitsFor(uint32_t words, uint32_t most) {
  uint32_t bits = 0;
  while ((words >> bits) > most) bits++;
  return bits;
}

}  // namespace

bool SortIndex(const HeapWords& heap, const IndexedWords& words, const SortSizes& most, SortedNumbers* sorted) {
  const uint32_t pass_bits = std::min(BitsFor(words.limit, most.pass), kHashBits);
  const uint32_t bits = std::min(std::max(BitsFor(words.limit, most.bucket), pass_bits), kHashBits);
  const uint32_t shift = kHashBits - bits;
  const size_t buckets = size_t{1} << (bits - pass_bits);
  std::vector<uint32_t> sizes(size_t{1} << bits);
  const bool is_counted = EachBlock(heap, words, [&](const uint32_t* block, uint32_t count, uint32_t) {
    return CountWords(block, count, words.seed, shift, sizes.data(), sizes.size());
  });
  if (!is_counted) return false;
  std::vector<uint32_t> next(buckets);
  std::vector<uint32_t> records;
  RecordGrouper grouper;
  sorted->count = sorted->words = 0;
  for (size_t first = 0; first < sizes.size(); first += buckets) {
    uint32_t total = 0;
    for (size_t bucket = 0; bucket < buckets; bucket++) {
      next[bucket] = total;
      total += sizes[first + bucket];
    }
    records.resize(total * kRecordHalves);
    const bool is_sorted = EachBlock(heap, words, [&](const uint32_t* block, uint32_t count, uint32_t number) {
      return SortWords(block, count, number, words.seed, shift, static_cast<uint32_t>(first), next.data(), buckets, records.data(),
                       total);
    });
    if (!is_sorted) return false;
    for (size_t bucket = 0, from = 0; bucket < buckets; from = next[bucket++]) {
      sorted->words += static_cast<uint32_t>(
          grouper.Group(records.data() + from * kRecordHalves, next[bucket] - from, sorted->count, sorted->numbers + sorted->count,
                        sorted->ends + sorted->words, sorted->hashes + sorted->words));
      sorted->count = sorted->count + next[bucket] - static_cast<uint32_t>(from);
    }
  }
  return true;
}

}  // namespace snapheap
