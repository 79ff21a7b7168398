// The kernels of the N-API boundary: what src/heap/kernels.ts declares. The work is done elsewhere.
#include "addon_kernels.h"

#include <algorithm>
#include <string>

#include "addon_arguments.h"
#include "copy_lines.h"
#include "number_text.h"
#include "text_groups.h"
#include "word_groups.h"
#include "word_hash.h"
#include "word_records.h"
#include "word_tests.h"

namespace snapheap {
namespace {

// (table, windows, hash table, seed, bytes, starts, ends, first, count, words, at, groups) -> number of groups
Napi::Value GroupTextsOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto hash_table = static_cast<uint32_t>(Integer(info, 2, "address", 4294967295.0));
  const auto seed = static_cast<uint32_t>(Integer(info, 3, "seed", 4294967295.0));
  const auto bytes = TypedArray<uint8_t>(info, 4, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 5, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 6, "ends", napi_int32_array);
  const double length = static_cast<double>(std::min(starts.length, ends.length));
  const double first = Integer(info, 7, "first", length);
  const double count = Integer(info, 8, "count", length - first);
  const auto words = TypedArray<int32_t>(info, 9, "words", napi_int32_array);
  const double at = Integer(info, 10, "at", static_cast<double>(words.length));
  const auto groups = TypedArray<int32_t>(info, 11, "groups", napi_int32_array);
  if (static_cast<double>(words.length) - at < count * 2 ||
      static_cast<double>(groups.length) < count * static_cast<double>(kGroupHalves)) {
    throw Napi::RangeError::New(info.Env(), "words or groups is too short");
  }
  for (const auto& in : {starts, ends, words}) CheckApart(info.Env(), groups.data, groups.length * 4, in.data, in.length * 4);
  for (const auto& in : {starts, ends}) CheckApart(info.Env(), words.data, words.length * 4, in.data, in.length * 4);
  const Texts texts = {bytes.data, bytes.length, starts.data, ends.data, static_cast<size_t>(first),
                                 static_cast<size_t>(count)};
  const int64_t made =
      GroupTexts(heap, hash_table, seed, texts, reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at),
                           reinterpret_cast<uint32_t*>(groups.data));
  if (made == kOutside) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// (bytes, position, fields in a line, capacity, first line, starts, ends, totals) fills totals with position and lines
void SplitLinesOf(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const double position = Integer(info, 1, "position", static_cast<double>(std::min<size_t>(bytes.length, INT32_MAX)));
  const double per_line = Integer(info, 2, "fields", 65535);
  const double capacity = Integer(info, 3, "capacity", 65535);
  const double first = Integer(info, 4, "first", capacity);
  const auto starts = TypedArray<int32_t>(info, 5, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 6, "ends", napi_int32_array);
  const auto totals = TypedArray<int32_t>(info, 7, "totals", napi_int32_array);
  if (static_cast<double>(std::min(starts.length, ends.length)) < per_line * capacity || totals.length < 2) {
    throw Napi::RangeError::New(info.Env(), "starts, ends or totals is too short");
  }
  CheckApart(info.Env(), starts.data, starts.length * 4, ends.data, ends.length * 4);
  for (const auto& out : {starts, ends}) CheckApart(info.Env(), bytes.data, bytes.length, out.data, out.length * 4);
  const Fields fields = {starts.data, ends.data, static_cast<size_t>(per_line), static_cast<size_t>(capacity)};
  const auto split = SplitLines(bytes.data, std::min<size_t>(bytes.length, INT32_MAX),
                                          static_cast<size_t>(position), fields, static_cast<size_t>(first));
  totals.data[0] = static_cast<int32_t>(split.position);
  totals.data[1] = static_cast<int32_t>(split.lines);
}

// (bytes, starts, ends, first, count, is integer, words, at) -> how many
Napi::Value ParseNumbersOf(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 1, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 2, "ends", napi_int32_array);
  const double length = static_cast<double>(std::min(starts.length, ends.length));
  const double first = Integer(info, 3, "first", length);
  const double count = Integer(info, 4, "count", length - first);
  const double is_integer = Integer(info, 5, "isInteger", 1);
  const auto words = TypedArray<int32_t>(info, 6, "words", napi_int32_array);
  const double at = Integer(info, 7, "at", static_cast<double>(words.length));
  if (static_cast<double>(words.length) - at < count * 2) throw Napi::RangeError::New(info.Env(), "words is too short");
  for (const auto& in : {starts, ends}) CheckApart(info.Env(), words.data, words.length * 4, in.data, in.length * 4);
  const auto offset = static_cast<size_t>(first);
  const size_t parsed = ParseNumbers(bytes.data, bytes.length, starts.data + offset, ends.data + offset,
                                               static_cast<size_t>(count), is_integer == 1,
                                               reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at));
  return Napi::Number::New(info.Env(), static_cast<double>(parsed));
}

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
  const size_t made = GroupRecords(
      first, static_cast<size_t>(to - from), static_cast<uint32_t>(done), numbers.data + static_cast<size_t>(done),
      ends.data + static_cast<size_t>(groups), hashes.data + static_cast<size_t>(groups));
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// (table, windows, steps, words, arrays, bits, from, to, found) -> how many, -1 for unusual words
Napi::Value ScanWords(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto steps = TypedArray<int32_t>(info, 2, "steps", napi_int32_array);
  const auto words = TypedArray<int32_t>(info, 3, "words", napi_int32_array);
  const auto arrays = TypedArray<uint32_t>(info, 4, "arrays", napi_uint32_array);
  const auto bits = static_cast<uint32_t>(Integer(info, 5, "bits", 4294967295.0));
  const double to = Integer(info, 7, "to", INT32_MAX);
  const double from = Integer(info, 6, "from", to);
  const auto found = TypedArray<int32_t>(info, 8, "found", napi_int32_array);
  static thread_local WordTests tests;
  if (!tests.Parse(steps.data, steps.length / kStepHalves, words.data, words.length / 2,
                   reinterpret_cast<const WordArray*>(arrays.data), arrays.length / 2) ||
      static_cast<uint32_t>(from) % (HeapWords::kBlockMask + 1) != 0) {
    throw Napi::RangeError::New(info.Env(), "the steps or the positions do not fit");
  }
  const bool is_counting = found.length == 0;
  if (!is_counting && static_cast<double>(found.length) < to - from) {
    throw Napi::RangeError::New(info.Env(), "found is too short");
  }
  for (const auto& in : {steps, words}) CheckApart(info.Env(), found.data, found.length * 4, in.data, in.length * 4);
  CheckApart(info.Env(), found.data, found.length * 4, arrays.data, arrays.length * 4);
  const int64_t count = tests.Scan(heap, bits, static_cast<uint32_t>(from), static_cast<uint32_t>(to),
                                   is_counting ? nullptr : found.data);
  if (count == WordTests::kOutside) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// (…, places, size): a dictionary, whose size is the first of `size`.
PairNumbers Dictionary(const Napi::CallbackInfo& info, size_t index) {
  const auto places = TypedArray<int32_t>(info, index, "places", napi_int32_array);
  const auto size = TypedArray<int32_t>(info, index + 1, "size", napi_int32_array);
  const size_t count = places.length / kPlaceHalves;
  if (count == 0 || (count & (count - 1)) != 0 || size.length == 0 || static_cast<uint32_t>(size.data[0]) > count) {
    throw Napi::RangeError::New(info.Env(), "places or size is no dictionary");
  }
  return {places.data, count - 1, static_cast<uint32_t>(size.data[0])};
}

Napi::Value Done(const Napi::CallbackInfo& info, size_t done) {
  if (done == kGroupsOutside) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return Napi::Number::New(info.Env(), static_cast<double>(done));
}

struct Part {
  size_t from;
  size_t count;
};

// (…, from, to) of arrays of so many
Part PartOf(const Napi::CallbackInfo& info, size_t index, size_t length) {
  const double to = Integer(info, index + 1, "to", static_cast<double>(length));
  const double from = Integer(info, index, "from", to);
  return {static_cast<size_t>(from), static_cast<size_t>(to - from)};
}

// (…, address, size)
WordArray ArrayOf(const Napi::CallbackInfo& info, size_t index) {
  return {static_cast<uint32_t>(Integer(info, index, "address", 4294967295.0)),
          static_cast<uint32_t>(Integer(info, index + 1, "size", 4294967295.0))};
}

// (table, windows, address, size, positions, from, to, places, size, integers, numbers) -> how many
Napi::Value NumberWordsOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const WordArray array = ArrayOf(info, 2);
  const auto positions = TypedArray<int32_t>(info, 4, "positions", napi_int32_array);
  const auto integers = TypedArray<int32_t>(info, 9, "integers", napi_int32_array);
  const auto numbers = TypedArray<int32_t>(info, 10, "numbers", napi_int32_array);
  const Part part = PartOf(info, 5, std::min(positions.length, numbers.length));
  PairNumbers dictionary = Dictionary(info, 7);
  const size_t done = NumberWords(heap, array, positions.data + part.from, part.count, &dictionary,
                                  {integers.data, integers.length}, numbers.data + part.from);
  TypedArray<int32_t>(info, 8, "size", napi_int32_array).data[0] = static_cast<int32_t>(dictionary.size);
  return Done(info, done);
}

// (lows, highs, from, to, places, size, numbers) -> how many
Napi::Value NumberPairsOf(const Napi::CallbackInfo& info) {
  const auto lows = TypedArray<int32_t>(info, 0, "lows", napi_int32_array);
  const auto highs = TypedArray<int32_t>(info, 1, "highs", napi_int32_array);
  const auto numbers = TypedArray<int32_t>(info, 6, "numbers", napi_int32_array);
  const Part part = PartOf(info, 2, std::min(std::min(lows.length, highs.length), numbers.length));
  PairNumbers dictionary = Dictionary(info, 4);
  const size_t done = NumberPairs(lows.data + part.from, highs.data + part.from, part.count, &dictionary,
                                  numbers.data + part.from);
  TypedArray<int32_t>(info, 5, "size", napi_int32_array).data[0] = static_cast<int32_t>(dictionary.size);
  return Done(info, done);
}

// (table, windows, address, size, positions, groups, from, to, gathering, counts, gathered) -> how many
Napi::Value GatherNumbersOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const WordArray array = ArrayOf(info, 2);
  const auto positions = TypedArray<int32_t>(info, 4, "positions", napi_int32_array);
  const auto groups = TypedArray<int32_t>(info, 5, "groups", napi_int32_array);
  const Part part = PartOf(info, 6, std::min(positions.length, groups.length));
  const auto gathering = static_cast<Gathering>(Integer(info, 8, "gathering", static_cast<double>(Gathering::kPositions)));
  const auto counts = TypedArray<double>(info, 9, "counts", napi_float64_array);
  const auto gathered = TypedArray<double>(info, 10, "gathered", napi_float64_array);
  CheckApart(info.Env(), counts.data, counts.length * 8, gathered.data, gathered.length * 8);
  const size_t done = GatherNumbers(heap, array, positions.data + part.from, groups.data + part.from, part.count, gathering,
                                    counts.data, gathered.data, std::min(counts.length, gathered.length));
  return Done(info, done);
}

}  // namespace

void ExportKernels(Napi::Env env, Napi::Object exports) {
  exports.Set("groupTexts", Napi::Function::New<GroupTextsOf>(env, "groupTexts"));
  exports.Set("splitLines", Napi::Function::New<SplitLinesOf>(env, "splitLines"));
  exports.Set("parseNumbers", Napi::Function::New<ParseNumbersOf>(env, "parseNumbers"));
  exports.Set("countWords", Napi::Function::New<CountWordsOf>(env, "countWords"));
  exports.Set("sortWords", Napi::Function::New<SortWordsOf>(env, "sortWords"));
  exports.Set("groupRecords", Napi::Function::New<GroupRecordsOf>(env, "groupRecords"));
  exports.Set("scanWords", Napi::Function::New<ScanWords>(env, "scanWords"));
  exports.Set("numberWords", Napi::Function::New<NumberWordsOf>(env, "numberWords"));
  exports.Set("numberPairs", Napi::Function::New<NumberPairsOf>(env, "numberPairs"));
  exports.Set("gatherNumbers", Napi::Function::New<GatherNumbersOf>(env, "gatherNumbers"));
}

}  // namespace snapheap
