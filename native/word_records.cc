#include "word_records.h"

#include "word_hash.h"

namespace snapheap {

enum Record { kNumber, kHash, kLow, kHigh };

bool CountWords(const uint32_t* words, size_t count, uint32_t seed, uint32_t shift, uint32_t* sizes, size_t buckets) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t low = words[i * 2];
    const uint32_t high = words[i * 2 + 1];
    if ((low | high) == 0) continue;
    const uint32_t bucket = HashWord(low, high, seed) >> shift;
    if (bucket >= buckets) return false;
    sizes[bucket]++;
  }
  return true;
}

bool SortWords(const uint32_t* words, size_t count, uint32_t number, uint32_t seed, uint32_t shift, uint32_t first_bucket,
               uint32_t* next, size_t buckets, uint32_t* records, size_t capacity) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t low = words[i * 2];
    const uint32_t high = words[i * 2 + 1];
    if ((low | high) == 0) continue;
    const uint32_t hash = HashWord(low, high, seed);
    const uint32_t bucket = (hash >> shift) - first_bucket;  // wraps round for a bucket before the first
    if (bucket >= buckets) continue;
    if (next[bucket] >= capacity) return false;
    uint32_t* record = records + next[bucket]++ * kRecordHalves;
    record[kNumber] = number + static_cast<uint32_t>(i);
    record[kHash] = hash;
    record[kLow] = low;
    record[kHigh] = high;
  }
  return true;
}

size_t RecordGrouper::Group(const uint32_t* records, size_t count, uint32_t done, uint32_t* numbers, uint32_t* ends,
                            uint32_t* hashes) {
  slots_.Reset(count);
  groups_.resize(count);
  firsts_.clear();
  for (size_t i = 0; i < count; i++) {
    const uint32_t* record = records + i * kRecordHalves;
    uint32_t& slot = slots_.Of(record[kHash], [&](uint32_t group) {
      const uint32_t* first = records + firsts_[group] * kRecordHalves;
      return first[kLow] == record[kLow] && first[kHigh] == record[kHigh];
    });
    if (slot == 0) {
      hashes[firsts_.size()] = record[kHash];
      ends[firsts_.size()] = 0;
      firsts_.push_back(static_cast<uint32_t>(i));
      slot = static_cast<uint32_t>(firsts_.size());
    }
    groups_[i] = slot - 1;
    ends[groups_[i]]++;
  }
  uint32_t end = 0;
  for (size_t group = 0; group < firsts_.size(); group++) {
    firsts_[group] = end;
    end += ends[group];
    ends[group] = done + end;
  }
  for (size_t i = 0; i < count; i++) numbers[firsts_[groups_[i]]++] = records[i * kRecordHalves + kNumber];
  return firsts_.size();
}

}  // namespace snapheap
