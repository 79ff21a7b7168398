#ifdef _WIN32

#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <psapi.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "mapping.h"

// Exported by node.exe (libuv): a descriptor belongs to the C run-time of the executable, not to this library's.
extern "C" __declspec(dllimport) void* uv_get_osfhandle(int fd);

namespace snapheap {
namespace {

std::error_code LastError() { return {static_cast<int>(GetLastError()), std::system_category()}; }

size_t PageBytes() {
  static const size_t bytes = [] {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return static_cast<size_t>(info.dwPageSize);
  }();
  return bytes;
}

}  // namespace

// A section cannot reach past the end of its file here, so the whole range is reserved as a placeholder, and the part
// that the file covers is replaced by a view of it (VirtualAlloc2 and MapViewOfFile3: Windows 10 1803). Growth replaces
// the view by a longer one at the same address.
std::error_code Mapping::MapFile(int fd, uint64_t offset, size_t size) {
  void* address = VirtualAlloc2(nullptr, nullptr, size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, nullptr, 0);
  if (address == nullptr) return LastError();
  data_ = static_cast<uint8_t*>(address);
  size_ = size;
  is_file_ = true;
  viewed_ = 0;
  const std::error_code error = ViewFile(fd, offset);
  if (error) Unmap();
  return error;
}

std::error_code Mapping::ViewFile(int fd, uint64_t file_offset) {
  const HANDLE file = static_cast<HANDLE>(uv_get_osfhandle(fd));
  if (file == INVALID_HANDLE_VALUE) return std::make_error_code(std::errc::bad_file_descriptor);
  LARGE_INTEGER length;
  if (!GetFileSizeEx(file, &length)) return LastError();
  const uint64_t file_bytes = static_cast<uint64_t>(length.QuadPart);
  const uint64_t available = file_bytes > file_offset ? file_bytes - file_offset : 0;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(available / PageBytes() * PageBytes(), size_));
  if (wanted <= viewed_) return {};

  const HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (section == nullptr) return LastError();
  const HANDLE process = GetCurrentProcess();
  std::error_code error;
  // One placeholder over the whole range again, then one of exactly the wanted size at its start.
  if (viewed_ > 0) {
    const bool is_split = viewed_ < size_;
    viewed_ = 0;
    if (!UnmapViewOfFile2(process, data_, MEM_PRESERVE_PLACEHOLDER) ||
        (is_split && !VirtualFree(data_, size_, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS))) {
      error = LastError();
    }
  }
  if (!error && wanted < size_ && !VirtualFree(data_, wanted, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)) {
    error = LastError();
  }
  if (!error) {
    void* view = MapViewOfFile3(section, process, data_, file_offset, wanted, MEM_REPLACE_PLACEHOLDER, PAGE_READONLY,
                                nullptr, 0);
    if (view != nullptr) viewed_ = wanted;
    if (view == nullptr) {
      error = LastError();
      if (wanted < size_) VirtualFree(data_, size_, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS);
    }
  }
  CloseHandle(section);  // the view keeps the section alive
  return error;
}

std::error_code Mapping::Allocate(size_t size) {
  void* address = VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (address == nullptr) return LastError();
  data_ = static_cast<uint8_t*>(address);
  size_ = size;
  is_file_ = false;
  return {};
}

void Mapping::Unmap() {
  if (data_ == nullptr) return;
  if (is_file_) {
    if (viewed_ > 0) UnmapViewOfFile(data_);
    if (viewed_ < size_) VirtualFree(data_ + viewed_, 0, MEM_RELEASE);
  } else {
    VirtualFree(data_, 0, MEM_RELEASE);
  }
  data_ = nullptr;
  size_ = 0;
  viewed_ = 0;
}

std::error_code Mapping::Advise(size_t offset, size_t size, Advice advice) {
  if (advice == Advice::kDontNeed && !is_file_) {
    // Only whole pages can be decommitted; part pages are overwritten with zeros, which reads the same.
    if (offset % PageBytes() != 0 || size % PageBytes() != 0) {
      memset(data_ + offset, 0, size);
      return {};
    }
    if (size == 0) return {};
    if (!VirtualFree(data_ + offset, size, MEM_DECOMMIT)) return LastError();
    if (VirtualAlloc(data_ + offset, size, MEM_COMMIT, PAGE_READWRITE) == nullptr) return LastError();
    return {};
  }
  const size_t end = is_file_ ? std::min(offset + size, viewed_) : offset + size;
  if (advice != Advice::kWillNeed || offset >= end) return {};
  WIN32_MEMORY_RANGE_ENTRY range{data_ + offset, end - offset};
  PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);  // a hint: its failure changes nothing
  return {};
}

std::error_code Mapping::CountResident(size_t offset, size_t size, Residency* result) const {
  *result = {};
  if (size == 0) return {};
  const size_t first = offset / PageBytes();
  const size_t count = (offset + size - 1) / PageBytes() - first + 1;
  std::vector<PSAPI_WORKING_SET_EX_INFORMATION> pages(std::min<size_t>(count, 4096));
  uint64_t resident = 0;
  for (size_t done = 0; done < count;) {
    const size_t chunk = std::min(count - done, pages.size());
    for (size_t i = 0; i < chunk; i++) pages[i].VirtualAddress = data_ + (first + done + i) * PageBytes();
    const DWORD bytes = static_cast<DWORD>(chunk * sizeof(pages[0]));
    if (!QueryWorkingSetEx(GetCurrentProcess(), pages.data(), bytes)) return LastError();
    for (size_t i = 0; i < chunk; i++) resident += pages[i].VirtualAttributes.Valid;
    done += chunk;
  }
  *result = {resident, count};
  return {};
}

std::error_code Mapping::Sync(int fd, uint64_t file_offset, size_t offset, size_t) {
  return ViewFile(fd, file_offset - offset);
}

}  // namespace snapheap

#endif
