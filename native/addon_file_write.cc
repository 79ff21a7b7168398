// Writing to a file off the event loop, at the N-API boundary.
#include "addon_arguments.h"
#include "addon_kernels.h"
#include "file_write.h"

namespace snapheap {

#ifdef _WIN32

void ExportFileWrite(Napi::Env, Napi::Object) {}

#else

namespace {

// Writes in a thread of the pool. What the ranges are of is kept until it is done; until then nobody may change it.
class WriteWork : public Napi::AsyncWorker {
 public:
  WriteWork(Napi::Env env, int fd, uint64_t offset)
      : Napi::AsyncWorker(env, "snapheap writeBeside"), done_(Napi::Promise::Deferred::New(env)), fd_(fd), offset_(offset) {}

  void Add(const Napi::Value& given) {
    const auto bytes = given.As<Napi::Uint8Array>();
    ranges_.push_back({bytes.Data(), bytes.ByteLength()});
    kept_.push_back(Napi::Persistent(given.As<Napi::Object>()));
  }

  Napi::Promise Promise() const { return done_.Promise(); }

 protected:
  void Execute() override { error_ = WriteFile(fd_, offset_, ranges_); }
  void OnOK() override {
    if (error_) done_.Reject(SystemError(Env(), "write", error_).Value());
    else done_.Resolve(Env().Undefined());
  }

 private:
  const Napi::Promise::Deferred done_;
  const int fd_;
  const uint64_t offset_;
  std::vector<ByteRange> ranges_;
  std::vector<Napi::ObjectReference> kept_;
  std::error_code error_;
};

// (fd, Uint8Arrays, position) -> a promise. All elements are taken before the memory of any: one may be a getter that takes it away.
Napi::Value WriteBeside(const Napi::CallbackInfo& info) {
  const int fd = Descriptor(info, 0);
  if (!info[1].IsArray()) throw Napi::TypeError::New(info.Env(), "buffers must be an array");
  const double position = Integer(info, 2, "position", kMaxFileOffset);
  const auto array = info[1].As<Napi::Array>();
  std::vector<Napi::Value> buffers;
  for (uint32_t i = 0, count = array.Length(); i < count; i++) {
    const Napi::Value each = array.Get(i);
    if (!each.IsTypedArray() || each.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      throw Napi::TypeError::New(info.Env(), "buffers must hold nothing but Uint8Arrays");
    }
    buffers.push_back(each);
  }
  auto* work = new WriteWork(info.Env(), fd, static_cast<uint64_t>(position));
  for (const Napi::Value& each : buffers) work->Add(each);
  const Napi::Promise promise = work->Promise();
  work->Queue();  // deletes itself when it is done
  return promise;
}

}  // namespace

void ExportFileWrite(Napi::Env env, Napi::Object exports) {
  exports.Set("writeBeside", Napi::Function::New<WriteBeside>(env, "writeBeside"));
}

#endif

}  // namespace snapheap
