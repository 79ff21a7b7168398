// The kernels of indexes at the N-API boundary: of what src/heap/kernels.ts declares, those that sort words and lay
// lists and hash segments out. The work is done elsewhere.
#include <algorithm>
#include <vector>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "hash_places.h"
#include "index_layout.h"
#include "index_sort.h"
#include "word_hash.h"
#include "word_records.h"

namespace snapheap {
namespace {

struct WordRange {
  const uint32_t* words;
  size_t count;
  uint32_t seed;
  uint32_t shift;
};

// (table, windows, address, words, seed, shift): words of one block, and how they are hashed into buckets.
WordRange HashedWords(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto address = static_cast<uint32_t>(Integer(info, 2, "address", 4294967295.0));
  const double count = Integer(info, 3, "words", HeapWords::kBlockMask + 1 - (address & HeapWords::kBlockMask));
  const auto seed = static_cast<uint32_t>(Integer(info, 4, "seed", 4294967295.0));
  const auto shift = static_cast<uint32_t>(Integer(info, 5, "shift", kHashBits));
  const uint32_t* words = heap.At(address);
  if (words == nullptr) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return {words, static_cast<size_t>(count), seed, shift};
}

// (…, sizes)
void CountWordsOf(const Napi::CallbackInfo& info) {
  const WordRange range = HashedWords(info);
  const auto sizes = TypedArray<uint32_t>(info, 6, "sizes", napi_uint32_array);
  if (!CountWords(range.words, range.count, range.seed, range.shift, sizes.data, sizes.length)) {
    throw Napi::RangeError::New(info.Env(), "sizes is too short");
  }
}

// (…, number, first bucket, next, records)
void SortWordsOf(const Napi::CallbackInfo& info) {
  const WordRange range = HashedWords(info);
  const auto number = static_cast<uint32_t>(Integer(info, 6, "number", 4294967295.0));
  const auto first_bucket = static_cast<uint32_t>(Integer(info, 7, "firstBucket", 4294967295.0));
  const auto next = TypedArray<uint32_t>(info, 8, "next", napi_uint32_array);
  const auto records = TypedArray<int32_t>(info, 9, "records", napi_int32_array);
  CheckApart(info.Env(), next.data, next.length * 4, records.data, records.length * 4);
  if (!SortWords(range.words, range.count, number, range.seed, range.shift, first_bucket, next.data, next.length,
                           reinterpret_cast<uint32_t*>(records.data), records.length / kRecordHalves)) {
    throw Napi::RangeError::New(info.Env(), "records is too short");
  }
}

// (records, from, to, numbers, done, ends, hashes, groups so far) -> groups
Napi::Value GroupRecordsOf(const Napi::CallbackInfo& info) {
  const auto records = TypedArray<int32_t>(info, 0, "records", napi_int32_array);
  const double to = Integer(info, 2, "to", static_cast<double>(records.length / kRecordHalves));
  const double from = Integer(info, 1, "from", to);
  const auto numbers = TypedArray<uint32_t>(info, 3, "numbers", napi_uint32_array);
  const double done = Integer(info, 4, "done", static_cast<double>(numbers.length));
  const auto ends = TypedArray<uint32_t>(info, 5, "ends", napi_uint32_array);
  const auto hashes = TypedArray<uint32_t>(info, 6, "hashes", napi_uint32_array);
  const double groups = Integer(info, 7, "groups", static_cast<double>(std::min(ends.length, hashes.length)));
  if (static_cast<double>(numbers.length) - done < to - from ||
      static_cast<double>(std::min(ends.length, hashes.length)) - groups < to - from) {
    throw Napi::RangeError::New(info.Env(), "numbers, ends or hashes is too short");
  }
  for (const auto& out : {numbers, ends, hashes}) {
    CheckApart(info.Env(), out.data, out.length * 4, records.data, records.length * 4);
  }
  CheckApart(info.Env(), ends.data, ends.length * 4, numbers.data, numbers.length * 4);
  CheckApart(info.Env(), ends.data, ends.length * 4, hashes.data, hashes.length * 4);
  const auto* first = reinterpret_cast<const uint32_t*>(records.data) + static_cast<size_t>(from) * kRecordHalves;
  static thread_local RecordGrouper grouper;
  const size_t made = grouper.Group(
      first, static_cast<size_t>(to - from), static_cast<uint32_t>(done), numbers.data + static_cast<size_t>(done),
      ends.data + static_cast<size_t>(groups), hashes.data + static_cast<size_t>(groups));
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// Sorts the words of a column in a thread of the pool. The arrays and windows are kept until it is done; until then
// nobody else may touch the arrays, change the words or give a window back.
class SortWork : public PoolWork {
 public:
  SortWork(Napi::Env env, HeapWords heap, const IndexedWords& words, const SortSizes& most, const SortedNumbers& sorted,
           uint32_t* totals)
      : PoolWork(env, "snapheap sortIndex"),
        heap_(std::move(heap)),
        words_(words),
        most_(most),
        sorted_(sorted),
        totals_(totals) {}

 protected:
  const char* Run() override {
    if (!SortIndex(heap_, words_, most_, &sorted_)) return "an address leads outside the heap";
    totals_[0] = sorted_.count;
    totals_[1] = sorted_.words;
    return nullptr;
  }

 private:
  const HeapWords heap_;
  const IndexedWords words_;
  const SortSizes most_;
  SortedNumbers sorted_;
  uint32_t* const totals_;
};

// (table, windows, base, limit, seed, bucket words, pass words, numbers, ends, hashes, totals) -> a promise; fills
// totals
Napi::Value SortIndexOf(const Napi::CallbackInfo& info) {
  std::vector<Napi::ObjectReference> kept;
  HeapWords heap = Words(info, 0, &kept);
  const auto table = TypedArray<uint32_t>(info, 0, "table", napi_uint32_array);
  const auto base = static_cast<uint32_t>(Integer(info, 2, "base", 4294967295.0));
  const auto limit = static_cast<uint32_t>(Integer(info, 3, "limit", 4294967295.0 - base));
  const auto seed = static_cast<uint32_t>(Integer(info, 4, "seed", 4294967295.0));
  const auto bucket = static_cast<uint32_t>(Integer(info, 5, "bucketWords", 4294967295.0));
  const auto pass = static_cast<uint32_t>(Integer(info, 6, "passWords", 4294967295.0));
  std::vector<Array<uint32_t>> out;
  for (size_t i = 7; i < 11; i++) {
    out.push_back(TypedArray<uint32_t>(info, i, "an output", napi_uint32_array));
    kept.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
    if (out.back().length < (i == 10 ? 2 : limit)) throw Napi::RangeError::New(info.Env(), "an output is too short");
    CheckApart(info.Env(), out.back().data, out.back().length * 4, table.data, table.length * 4);
    for (size_t k = 7; k < i; k++) CheckApart(info.Env(), out.back().data, out.back().length * 4, out[k - 7].data, out[k - 7].length * 4);
  }
  auto* work = new SortWork(info.Env(), std::move(heap), {base, limit, seed}, {std::max(bucket, 16u), std::max(pass, 16u)},
                            {out[0].data, out[1].data, out[2].data, 0, 0}, out[3].data);
  work->Keep(std::move(kept));
  const Napi::Promise promise = work->Promise();
  work->Queue();
  return promise;
}

// (numbers, start, ends, from)
NumberGroups GroupedNumbers(const Napi::CallbackInfo& info) {
  const auto numbers = TypedArray<uint32_t>(info, 0, "numbers", napi_uint32_array);
  const auto start = static_cast<uint32_t>(Integer(info, 1, "start", 4294967295.0));
  const auto ends = TypedArray<uint32_t>(info, 2, "ends", napi_uint32_array);
  const double from = Integer(info, 3, "from", static_cast<double>(ends.length));
  return {numbers.data, numbers.length, start, ends.data, ends.length, static_cast<size_t>(from)};
}

// (…, to, most, payloads, flags, ordered, limits) -> how many lists
Napi::Value OrderListsOf(const Napi::CallbackInfo& info) {
  const NumberGroups groups = GroupedNumbers(info);
  const auto to = static_cast<size_t>(Integer(info, 4, "to", static_cast<double>(groups.count)));
  const auto most = static_cast<uint32_t>(Integer(info, 5, "most", 65535));
  const auto payloads = TypedArray<uint32_t>(info, 6, "payloads", napi_uint32_array);
  const auto flags = TypedArray<uint32_t>(info, 7, "flags", napi_uint32_array);
  const auto ordered = TypedArray<uint32_t>(info, 8, "ordered", napi_uint32_array);
  const auto limits = TypedArray<uint32_t>(info, 9, "limits", napi_uint32_array);
  if (to < groups.from || std::min(payloads.length, flags.length) < to || ordered.length < to - groups.from ||
      limits.length < most / 2 + 2) {
    throw Napi::RangeError::New(info.Env(), "payloads, flags, ordered or limits is too short");
  }
  const std::vector<Array<uint32_t>> out = {payloads, flags, ordered, limits};
  for (size_t i = 0; i < out.size(); i++) {
    CheckApart(info.Env(), out[i].data, out[i].length * 4, groups.ends, groups.count * 4);
    for (size_t k = 0; k < i; k++) CheckApart(info.Env(), out[i].data, out[i].length * 4, out[k].data, out[k].length * 4);
  }
  size_t made = 0;
  if (!OrderLists(groups, to, most, payloads.data, flags.data, ordered.data, limits.data, &made)) {
    throw Napi::RangeError::New(info.Env(), "a group is not where it should be");
  }
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// (…, table, windows, base, ordered, addresses, first, end, words, step, payloads, halves, at)
void LayListsOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 4);
  NumberGroups groups = GroupedNumbers(info);
  const auto base = static_cast<uint32_t>(Integer(info, 6, "base", 4294967295.0));
  const auto ordered = TypedArray<uint32_t>(info, 7, "ordered", napi_uint32_array);
  const auto addresses = TypedArray<uint32_t>(info, 8, "addresses", napi_uint32_array);
  const auto end = static_cast<size_t>(Integer(info, 10, "end", static_cast<double>(std::min(ordered.length, addresses.length))));
  const auto first = static_cast<size_t>(Integer(info, 9, "first", static_cast<double>(end)));
  const auto words = static_cast<size_t>(Integer(info, 11, "words", HeapWords::kBlockMask));
  const auto step = static_cast<size_t>(Integer(info, 12, "step", HeapWords::kBlockMask));
  const auto payloads = TypedArray<uint32_t>(info, 13, "payloads", napi_uint32_array);
  const auto halves = TypedArray<int32_t>(info, 14, "halves", napi_int32_array);
  const auto at = static_cast<size_t>(Integer(info, 15, "at", static_cast<double>(halves.length)));
  if (words < 3 || step < words) throw Napi::RangeError::New(info.Env(), "words or step is too small");
  groups.count = std::min(groups.count, payloads.length);
  for (const auto& in : {ordered, payloads}) CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, in.data, in.length * 4);
  CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, groups.numbers, groups.size * 4);
  CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, groups.ends, groups.count * 4);
  CheckApart(info.Env(), payloads.data, payloads.length * 4, ordered.data, ordered.length * 4);
  if (!LayLists(groups, heap, base, ordered.data + first, addresses.data + first, end - first, words, step,
                          payloads.data, reinterpret_cast<uint32_t*>(halves.data) + at, halves.length - at)) {
    throw Napi::RangeError::New(info.Env(), "a group does not fit its list");
  }
}

// The segment of so many words at a half of an array: its number is argument `index`, the half's the next. Its first
// word is its head.
uint32_t* Segment(const Napi::CallbackInfo& info, size_t index, uint32_t words) {
  const auto halves = TypedArray<int32_t>(info, index, "halves", napi_int32_array);
  const auto at = static_cast<size_t>(Integer(info, index + 1, "at", static_cast<double>(halves.length)));
  if (words < 2 || (halves.length - at) / 2 < words) throw Napi::RangeError::New(info.Env(), "halves is too short");
  return reinterpret_cast<uint32_t*>(halves.data) + at;
}

// (hashes, payloads, flags, from, to, mask, halves, at)
void FillSegmentOf(const Napi::CallbackInfo& info) {
  const auto hashes = TypedArray<uint32_t>(info, 0, "hashes", napi_uint32_array);
  const auto payloads = TypedArray<uint32_t>(info, 1, "payloads", napi_uint32_array);
  const auto flags = TypedArray<uint32_t>(info, 2, "flags", napi_uint32_array);
  const size_t length = std::min({hashes.length, payloads.length, flags.length});
  const auto to = static_cast<size_t>(Integer(info, 4, "to", static_cast<double>(length)));
  const auto from = static_cast<size_t>(Integer(info, 3, "from", static_cast<double>(to)));
  const auto mask = static_cast<uint32_t>(Integer(info, 5, "mask", kHashMask));
  uint32_t* segment = Segment(info, 6, mask + 1);
  if (!FillSegment(hashes.data + from, payloads.data + from, flags.data + from, to - from, mask, segment)) {
    throw Napi::RangeError::New(info.Env(), "a segment is full");
  }
}

// (halves, at, words, bit, mask, zeros, at, ones, at, counts)
void SplitSegmentOf(const Napi::CallbackInfo& info) {
  const auto words = static_cast<uint32_t>(Integer(info, 2, "words", kHashMask));
  const auto bit = static_cast<uint32_t>(Integer(info, 3, "bit", kHashMask));
  const auto mask = static_cast<uint32_t>(Integer(info, 4, "mask", kHashMask));
  const uint32_t* from = Segment(info, 0, words);
  uint32_t* zeros = Segment(info, 5, mask + 1);
  uint32_t* ones = Segment(info, 7, mask + 1);
  const auto counts = TypedArray<uint32_t>(info, 9, "counts", napi_uint32_array);
  if (counts.length < 2) throw Napi::RangeError::New(info.Env(), "counts is too short");
  if (!SplitSegment(from, words, bit, mask, zeros, ones, counts.data)) {
    throw Napi::RangeError::New(info.Env(), "a segment is full");
  }
}

// (table, windows, address, hashes, from, to)
void PrefetchPlacesOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto hash_table = static_cast<uint32_t>(Integer(info, 2, "address", 4294967295.0));
  const auto hashes = TypedArray<uint32_t>(info, 3, "hashes", napi_uint32_array);
  const double to = Integer(info, 5, "to", static_cast<double>(hashes.length));
  const auto from = static_cast<size_t>(Integer(info, 4, "from", to));
  if (!PrefetchPlaces(heap, hash_table, hashes.data + from, static_cast<size_t>(to) - from)) {
    throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  }
}

}  // namespace

void ExportIndexKernels(Napi::Env env, Napi::Object exports) {
  Export<CountWordsOf>(env, exports, "countWords");
  Export<SortWordsOf>(env, exports, "sortWords");
  Export<SortIndexOf>(env, exports, "sortIndex");
  Export<GroupRecordsOf>(env, exports, "groupRecords");
  Export<OrderListsOf>(env, exports, "orderLists");
  Export<LayListsOf>(env, exports, "layLists");
  Export<FillSegmentOf>(env, exports, "fillSegment");
  Export<SplitSegmentOf>(env, exports, "splitSegment");
  Export<PrefetchPlacesOf>(env, exports, "prefetchPlaces");
}

}  // namespace snapheap
