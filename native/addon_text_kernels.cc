// The kernels of texts at the N-API boundary: of what src/heap/kernels.ts declares, those that read texts and lay strings out. The
// work is done elsewhere.
#include <algorithm>
#include <cmath>

#include "addon_arguments.h"
#include "addon_kernels.h"
#include "copy_lines.h"
#include "number_text.h"
#include "text_groups.h"
#include "text_objects.h"

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

}  // namespace

void ExportTextKernels(Napi::Env env, Napi::Object exports) {
  exports.Set("groupTexts", Napi::Function::New<GroupTextsOf>(env, "groupTexts"));
  exports.Set("orderTexts", Napi::Function::New<OrderTextsOf>(env, "orderTexts"));
  exports.Set("layTexts", Napi::Function::New<LayTextsOf>(env, "layTexts"));
  exports.Set("settleTexts", Napi::Function::New<SettleTextsOf>(env, "settleTexts"));
  exports.Set("splitLines", Napi::Function::New<SplitLinesOf>(env, "splitLines"));
  exports.Set("parseNumbers", Napi::Function::New<ParseNumbersOf>(env, "parseNumbers"));
}

}  // namespace snapheap
