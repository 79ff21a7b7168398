#include "index_layout.h"

#include <algorithm>
#include <cstring>

namespace snapheap {
namespace {

constexpr size_t kListHeaderWords = 2;
constexpr uint32_t kOccupied = 0x80000000;
constexpr uint32_t kFlag = 0x40000000;

struct Span {
  uint32_t begin;
  uint32_t end;
};

// Where the numbers of a group are; false when that is nowhere.
bool SpanOf(const NumberGroups& groups, size_t group, Span* span) {
  if (group < groups.from || group >= groups.count) return false;
  span->begin = group == groups.from ? groups.start : groups.ends[group - 1];
  span->end = groups.ends[group];
  return span->begin < span->end && span->end <= groups.size;
}

// Words of so many numbers.
uint32_t WordsOf(uint32_t count) { return count / 2 + count % 2; }

bool Put(uint32_t low, uint32_t high, uint32_t mask, uint32_t* segment) {
  uint32_t slot = std::max(high & mask, 1u);
  for (uint32_t steps = 0; segment[slot * 2 + 1] != 0; steps++) {
    if (steps == mask) return false;
    slot = slot == mask ? 1 : slot + 1;
  }
  segment[slot * 2] = low;
  segment[slot * 2 + 1] = high;
  return true;
}

}  // namespace

bool OrderLists(const NumberGroups& groups, size_t to, uint32_t most, uint32_t* payloads, uint32_t* flags, uint32_t* ordered,
                uint32_t* limits, size_t* made) {
  const uint32_t sizes = most / 2 + 2;
  std::fill(limits, limits + sizes, 0u);
  Span span;
  for (size_t group = groups.from; group < to; group++) {
    if (!SpanOf(groups, group, &span)) return false;
    const uint32_t count = span.end - span.begin;
    flags[group] = count > 1 ? 1 : 0;
    if (count == 1) payloads[group] = groups.numbers[span.begin];
    if (count > 1 && count <= most) limits[WordsOf(count)]++;
  }
  uint32_t total = 0;
  for (uint32_t words = 0; words < sizes; words++) {
    const uint32_t alike = limits[words];
    limits[words] = total;
    total += alike;
  }
  for (size_t group = groups.from; group < to; group++) {
    if (!SpanOf(groups, group, &span)) return false;
    const uint32_t count = span.end - span.begin;
    if (count > 1 && count <= most) ordered[limits[WordsOf(count)]++] = static_cast<uint32_t>(group);
  }
  *made = total;
  return true;
}

bool LayLists(const NumberGroups& groups, const HeapWords& heap, uint32_t base, const uint32_t* ordered, const uint32_t* addresses,
              size_t count, size_t words, size_t step, uint32_t* payloads, uint32_t* lists, size_t size) {
  for (size_t i = 0; i < count; i++) {
    Span span;
    if (!SpanOf(groups, ordered[i], &span)) return false;
    const uint32_t numbers = span.end - span.begin;
    const uint32_t* word = heap.At(base + groups.numbers[span.begin]);
    if (word == nullptr || kListHeaderWords + WordsOf(numbers) != words || (i * step + words) * 2 > size) return false;
    uint32_t* list = lists + i * step * 2;
    list[0] = word[0];
    list[1] = word[1];
    list[2] = numbers;
    list[3] = 0;
    list[words * 2 - 1] = 0;  // behind an odd number of them
    memcpy(list + kListHeaderWords * 2, groups.numbers + span.begin, numbers * sizeof(uint32_t));
    payloads[ordered[i]] = addresses[i];
  }
  return true;
}

bool FillSegment(const uint32_t* hashes, const uint32_t* payloads, const uint32_t* flags, size_t count, uint32_t mask,
                 uint32_t* segment) {
  for (size_t i = 0; i < count; i++) {
    if (!Put(payloads[i], hashes[i] | kOccupied | (flags[i] == 0 ? 0 : kFlag), mask, segment)) return false;
  }
  return true;
}

bool SplitSegment(const uint32_t* from, size_t words, uint32_t bit, uint32_t mask, uint32_t* zeros, uint32_t* ones,
                  uint32_t* counts) {
  for (size_t slot = 1; slot < words; slot++) {
    const uint32_t high = from[slot * 2 + 1];
    if (high == 0) continue;
    const bool is_one = (high & bit) != 0;
    if (!Put(from[slot * 2], high, mask, is_one ? ones : zeros)) return false;
    counts[is_one ? 1 : 0]++;
  }
  return true;
}

}  // namespace snapheap
