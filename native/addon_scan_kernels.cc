// The kernels of scans and groups at the N-API boundary: of what src/heap/kernels.ts declares, those that read words.
// The work is done elsewhere.
#include <algorithm>
#include <string>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "word_groups.h"
#include "word_tests.h"

namespace snapheap {
namespace {

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

void ExportScanKernels(Napi::Env env, Napi::Object exports) {
  Export<ScanWords>(env, exports, "scanWords");
  Export<NumberWordsOf>(env, exports, "numberWords");
  Export<NumberPairsOf>(env, exports, "numberPairs");
  Export<GatherNumbersOf>(env, exports, "gatherNumbers");
}

}  // namespace snapheap
