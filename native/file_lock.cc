#include "file_lock.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

// Exported by node.exe (libuv): a descriptor belongs to the C run-time of the executable, not to this library's.
extern "C" __declspec(dllimport) void* uv_get_osfhandle(int fd);
#else
#include <sys/file.h>

#include <cerrno>
#endif

namespace snapheap {

#ifdef _WIN32

std::error_code LockOpenFile(int fd) {
  const HANDLE file = static_cast<HANDLE>(uv_get_osfhandle(fd));
  if (file == INVALID_HANDLE_VALUE) return std::make_error_code(std::errc::bad_file_descriptor);
  // Far behind what any file holds: a locked byte cannot be read by others here, and they may read and copy the file.
  OVERLAPPED at = {};
  at.OffsetHigh = 0x7fffffff;
  if (LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)) return {};
  const std::error_code error = {static_cast<int>(GetLastError()), std::system_category()};
  const bool is_held = error.value() == ERROR_LOCK_VIOLATION || error.value() == ERROR_IO_PENDING;
  return is_held ? std::make_error_code(std::errc::resource_unavailable_try_again) : error;
}

#else

// flock belongs to the open file description. Node opens files so that no child process gets their descriptors.
std::error_code LockOpenFile(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return std::make_error_code(std::errc::resource_unavailable_try_again);
  return {errno, std::system_category()};
}

#endif

}  // namespace snapheap
