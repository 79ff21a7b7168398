// The kernels of texts at the N-API boundary: of what src/heap/kernels.ts declares, those that group strings and lay
// them out. The work is done elsewhere.
#include <algorithm>
#include <cmath>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "text_groups.h"
#include "text_objects.h"

namespace snapheap {
namespace {

// (seed, bytes, starts, ends, first, count, words, at, groups) -> number of groups
Napi::Value GroupTextsOf(const Napi::CallbackInfo& info) {
  const auto seed = static_cast<uint32_t>(Integer(info, 0, "seed", 4294967295.0));
  const auto bytes = TypedArray<uint8_t>(info, 1, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 2, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 3, "ends", napi_int32_array);
  const double length = static_cast<double>(std::min(starts.length, ends.length));
  const double first = Integer(info, 4, "first", length);
  const double count = Integer(info, 5, "count", length - first);
  const auto words = TypedArray<int32_t>(info, 6, "words", napi_int32_array);
  const double at = Integer(info, 7, "at", static_cast<double>(words.length));
  const auto groups = TypedArray<int32_t>(info, 8, "groups", napi_int32_array);
  if (static_cast<double>(words.length) - at < count * 2 ||
      static_cast<double>(groups.length) < count * static_cast<double>(kGroupHalves)) {
    throw Napi::RangeError::New(info.Env(), "words or groups is too short");
  }
  for (const auto& in : {starts, ends, words}) CheckApart(info.Env(), groups.data, groups.length * 4, in.data, in.length * 4);
  for (const auto& in : {starts, ends}) CheckApart(info.Env(), words.data, words.length * 4, in.data, in.length * 4);
  const Texts texts = {bytes.data, bytes.length, starts.data, ends.data, static_cast<size_t>(first),
                                 static_cast<size_t>(count)};
  const int64_t made = GroupTexts(seed, texts, reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at),
                                  reinterpret_cast<uint32_t*>(groups.data));
  if (made == kOutside) throw Napi::RangeError::New(info.Env(), "a string leaves its bytes");
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

struct GroupedTexts {
  Texts texts;
  TextGroups groups;
};

// (bytes, starts, ends, groups)
GroupedTexts TextsWithGroups(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 1, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 2, "ends", napi_int32_array);
  const auto groups = TypedArray<int32_t>(info, 3, "groups", napi_int32_array);
  return {{bytes.data, bytes.length, starts.data, ends.data, 0, std::min(starts.length, ends.length)},
          {reinterpret_cast<uint32_t*>(groups.data), groups.length / kGroupHalves}};
}

// (…, count, table, windows, hash table)
void FindTextsOf(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 5);
  const GroupedTexts given = TextsWithGroups(info);
  const double count = Integer(info, 4, "count", static_cast<double>(given.groups.size));
  const auto hash_table = static_cast<uint32_t>(Integer(info, 7, "address", 4294967295.0));
  if (!FindTexts(heap, hash_table, given.texts, given.groups.halves, static_cast<size_t>(count))) {
    throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  }
}

// (…, count, most words, ordered, ends) -> how many
Napi::Value OrderTextsOf(const Napi::CallbackInfo& info) {
  const GroupedTexts given = TextsWithGroups(info);
  const double count = Integer(info, 4, "count", static_cast<double>(given.groups.size));
  const double most_words = Integer(info, 5, "mostWords", 65535);
  const auto ordered = TypedArray<uint32_t>(info, 6, "ordered", napi_uint32_array);
  const auto ends = TypedArray<uint32_t>(info, 7, "ends", napi_uint32_array);
  if (static_cast<double>(ordered.length) < count || static_cast<double>(ends.length) < most_words + 2) {
    throw Napi::RangeError::New(info.Env(), "ordered or ends is too short");
  }
  for (const auto& out : {ordered, ends}) {
    CheckApart(info.Env(), out.data, out.length * 4, given.groups.halves, given.groups.size * kGroupHalves * 4);
    CheckApart(info.Env(), out.data, out.length * 4, given.texts.starts, given.texts.count * 4);
    CheckApart(info.Env(), out.data, out.length * 4, given.texts.ends, given.texts.count * 4);
  }
  CheckApart(info.Env(), ordered.data, ordered.length * 4, ends.data, ends.length * 4);
  const int64_t missing = OrderTexts(given.texts, given.groups, static_cast<size_t>(count),
                                               static_cast<uint32_t>(most_words), ordered.data, ends.data);
  if (missing == kOutside) throw Napi::RangeError::New(info.Env(), "a string leaves its bytes");
  return Napi::Number::New(info.Env(), static_cast<double>(missing));
}

// (…, ordered, addresses, from, to, step, objects)
void LayTextsOf(const Napi::CallbackInfo& info) {
  const GroupedTexts given = TextsWithGroups(info);
  const auto ordered = TypedArray<uint32_t>(info, 4, "ordered", napi_uint32_array);
  const auto addresses = TypedArray<uint32_t>(info, 5, "addresses", napi_uint32_array);
  const double to = Integer(info, 7, "to", static_cast<double>(std::min(ordered.length, addresses.length)));
  const double from = Integer(info, 6, "from", to);
  const double step = Integer(info, 8, "step", 1 << 28);
  const auto objects = TypedArray<int32_t>(info, 9, "objects", napi_int32_array);
  if (step == 0 || static_cast<double>(objects.length) < (to - from) * step * 2) {
    throw Napi::RangeError::New(info.Env(), "objects is too short");
  }
  const auto* bytes = given.texts.bytes;
  CheckApart(info.Env(), objects.data, objects.length * 4, bytes, given.texts.bytes_size);
  const auto first = static_cast<size_t>(from);
  if (!LayTexts(given.texts, given.groups, ordered.data + first, static_cast<size_t>(to - from),
                          addresses.data + first, static_cast<uint32_t>(step), reinterpret_cast<uint32_t*>(objects.data))) {
    throw Napi::RangeError::New(info.Env(), "a group does not fit its object");
  }
}

// (groups, words, at, count)
void SettleTextsOf(const Napi::CallbackInfo& info) {
  const auto groups = TypedArray<int32_t>(info, 0, "groups", napi_int32_array);
  const auto words = TypedArray<int32_t>(info, 1, "words", napi_int32_array);
  const double at = Integer(info, 2, "at", static_cast<double>(words.length));
  const double count = Integer(info, 3, "count", std::floor((static_cast<double>(words.length) - at) / 2));
  if (!SettleTexts({reinterpret_cast<uint32_t*>(groups.data), groups.length / kGroupHalves},
                             reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at), static_cast<size_t>(count))) {
    throw Napi::RangeError::New(info.Env(), "a word has no group");
  }
}

}  // namespace

void ExportTextKernels(Napi::Env env, Napi::Object exports) {
  Export<GroupTextsOf>(env, exports, "groupTexts");
  Export<FindTextsOf>(env, exports, "findTexts");
  Export<OrderTextsOf>(env, exports, "orderTexts");
  Export<LayTextsOf>(env, exports, "layTexts");
  Export<SettleTextsOf>(env, exports, "settleTexts");
}

}  // namespace snapheap
