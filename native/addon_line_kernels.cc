// The kernels of received lines at the N-API boundary. Preparing them runs in a thread of the pool, as it needs nothing
// of the heap.
#include <algorithm>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "copy_lines.h"
#include "line_batch.h"
#include "number_text.h"
#include "text_groups.h"

namespace snapheap {
namespace {

struct Lines {
  uint8_t* bytes;
  size_t size;
  size_t position;
  Fields fields;
};

// (bytes, position, fields in a line, capacity, starts, ends)
Lines ReceivedLines(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const size_t size = std::min<size_t>(bytes.length, INT32_MAX);
  const double position = Integer(info, 1, "position", static_cast<double>(size));
  const double per_line = Integer(info, 2, "fields", 65535);
  const double capacity = Integer(info, 3, "capacity", 65535);
  const auto starts = TypedArray<int32_t>(info, 4, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 5, "ends", napi_int32_array);
  if (static_cast<double>(std::min(starts.length, ends.length)) < per_line * capacity) {
    throw Napi::RangeError::New(info.Env(), "starts or ends is too short");
  }
  CheckApart(info.Env(), starts.data, starts.length * 4, ends.data, ends.length * 4);
  for (const auto& out : {starts, ends}) CheckApart(info.Env(), bytes.data, bytes.length, out.data, out.length * 4);
  return {bytes.data, size, static_cast<size_t>(position),
          {starts.data, ends.data, static_cast<size_t>(per_line), static_cast<size_t>(capacity)}};
}

// (…, first line, totals) fills totals with position and lines
void SplitLinesOf(const Napi::CallbackInfo& info) {
  const Lines lines = ReceivedLines(info);
  const double first = Integer(info, 6, "first", static_cast<double>(lines.fields.capacity));
  const auto totals = TypedArray<int32_t>(info, 7, "totals", napi_int32_array);
  if (totals.length < 2) throw Napi::RangeError::New(info.Env(), "totals is too short");
  const auto split = SplitLines(lines.bytes, lines.size, lines.position, lines.fields, static_cast<size_t>(first));
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

// Prepares lines in a thread of the pool. The arrays are kept until it is done; until then nobody else may touch them.
class PrepareWork : public PoolWork {
 public:
  PrepareWork(Napi::Env env, const Lines& lines, uint32_t seed, const LineWords& out, int32_t* totals)
      : PoolWork(env, "snapheap prepareLines"), lines_(lines), seed_(seed), out_(out), totals_(totals) {}

 protected:
  const char* Run() override {
    const auto split = PrepareLines(lines_.bytes, lines_.size, lines_.position, lines_.fields, seed_, out_);
    totals_[0] = static_cast<int32_t>(split.position);
    totals_[1] = static_cast<int32_t>(split.lines);
    return nullptr;
  }

 private:
  const Lines lines_;
  const uint32_t seed_;
  const LineWords out_;
  int32_t* const totals_;
};

// (…, kinds, seed, words, groups, totals) -> a promise; fills totals with position, lines, and what each field has
Napi::Value PrepareLinesOf(const Napi::CallbackInfo& info) {
  const Lines lines = ReceivedLines(info);
  const Fields& fields = lines.fields;
  const auto kinds = TypedArray<uint8_t>(info, 6, "kinds", napi_uint8_array);
  const auto seed = static_cast<uint32_t>(Integer(info, 7, "seed", 4294967295.0));
  const auto words = TypedArray<int32_t>(info, 8, "words", napi_int32_array);
  const auto groups = TypedArray<int32_t>(info, 9, "groups", napi_int32_array);
  const auto totals = TypedArray<int32_t>(info, 10, "totals", napi_int32_array);
  if (kinds.length < fields.per_line || totals.length < fields.per_line + 2) {
    throw Napi::RangeError::New(info.Env(), "kinds or totals is too short");
  }
  const auto texts = static_cast<size_t>(std::count(kinds.data, kinds.data + fields.per_line, kTextField));
  if (words.length < fields.per_line * fields.capacity * 2 || groups.length < texts * fields.capacity * kGroupHalves) {
    throw Napi::RangeError::New(info.Env(), "words or groups is too short");
  }
  const std::vector<Array<int32_t>> out = {words, groups, totals};
  for (size_t i = 0; i < out.size(); i++) {
    const size_t bytes = out[i].length * 4;
    CheckApart(info.Env(), out[i].data, bytes, lines.bytes, lines.size);
    CheckApart(info.Env(), out[i].data, bytes, kinds.data, kinds.length);
    CheckApart(info.Env(), out[i].data, bytes, fields.starts, fields.per_line * fields.capacity * 4);
    CheckApart(info.Env(), out[i].data, bytes, fields.ends, fields.per_line * fields.capacity * 4);
    for (size_t k = 0; k < i; k++) CheckApart(info.Env(), out[i].data, bytes, out[k].data, out[k].length * 4);
  }
  const LineWords to = {kinds.data, reinterpret_cast<uint32_t*>(words.data), reinterpret_cast<uint32_t*>(groups.data),
                        totals.data + 2};
  std::vector<Napi::ObjectReference> kept;
  for (size_t i = 0; i < info.Length(); i++) {
    if (info[i].IsTypedArray()) kept.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
  }
  auto* work = new PrepareWork(info.Env(), lines, seed, to, totals.data);
  work->Keep(std::move(kept));
  const Napi::Promise promise = work->Promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportLineKernels(Napi::Env env, Napi::Object exports) {
  Export<SplitLinesOf>(env, exports, "splitLines");
  Export<ParseNumbersOf>(env, exports, "parseNumbers");
  Export<PrepareLinesOf>(env, exports, "prepareLines");
}

}  // namespace snapheap
