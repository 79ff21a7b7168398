#include "file_lock.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

// Exported by node.exe (libuv): a descriptor belongs to the C run-time of the executable, not to this library's.
extern "C" __declspec(dllimport) void* uv_get_osfhandle(int fd);
#else
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace snapheap {

int64_t ParsePid(const char* text, size_t size) {
  int64_t pid = 0;
  for (size_t i = 0; i < size && i < 12 && text[i] >= '0' && text[i] <= '9'; i++) pid = pid * 10 + (text[i] - '0');
  return pid;
}

#ifdef _WIN32

namespace {

std::error_code LastError() { return {static_cast<int>(GetLastError()), std::system_category()}; }

// The locked byte lies far behind the text: a locked byte cannot be read by others here, and the pid must be.
OVERLAPPED LockedByte() {
  OVERLAPPED at = {};
  at.OffsetHigh = 1;
  return at;
}

}  // namespace

std::error_code FileLock::Acquire(const std::string& path, int64_t* holder_pid) {
  *holder_pid = 0;
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length > 0 ? length : 1), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), length);
  const HANDLE file = CreateFileW(wide.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                                  OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return LastError();
  OVERLAPPED at = LockedByte();
  if (!LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)) {
    const std::error_code error = LastError();
    char text[16];
    DWORD count = 0;
    if (ReadFile(file, text, sizeof text, &count, nullptr)) *holder_pid = ParsePid(text, count);
    CloseHandle(file);
    const bool is_held = error.value() == ERROR_LOCK_VIOLATION || error.value() == ERROR_IO_PENDING;
    return is_held ? std::make_error_code(std::errc::resource_unavailable_try_again) : error;
  }
  const std::string pid = std::to_string(GetCurrentProcessId()) + "\n";
  DWORD written = 0;
  SetEndOfFile(file);
  WriteFile(file, pid.data(), static_cast<DWORD>(pid.size()), &written, nullptr);
  handle_ = file;
  return {};
}

std::error_code LockOpenFile(int fd) {
  const HANDLE file = static_cast<HANDLE>(uv_get_osfhandle(fd));
  if (file == INVALID_HANDLE_VALUE) return std::make_error_code(std::errc::bad_file_descriptor);
  // Far behind what any file holds: others may read and copy the file.
  OVERLAPPED at = {};
  at.OffsetHigh = 0x7fffffff;
  if (LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)) return {};
  const std::error_code error = LastError();
  const bool is_held = error.value() == ERROR_LOCK_VIOLATION || error.value() == ERROR_IO_PENDING;
  return is_held ? std::make_error_code(std::errc::resource_unavailable_try_again) : error;
}

void FileLock::Release() {
  if (handle_ == nullptr) return;
  OVERLAPPED at = LockedByte();
  SetFilePointer(handle_, 0, nullptr, FILE_BEGIN);
  SetEndOfFile(handle_);
  UnlockFileEx(handle_, 0, 1, 0, &at);
  CloseHandle(handle_);
  handle_ = nullptr;
}

#else

namespace {

std::error_code LastError() { return {errno, std::system_category()}; }

// Best effort: the lock holds whether or not the disk has room for its text.
void WriteText(int fd, const std::string& text) {
  const bool is_written = ftruncate(fd, 0) == 0 && pwrite(fd, text.data(), text.size(), 0) >= 0;
  static_cast<void>(is_written);
}

}  // namespace

// flock belongs to the open file description: closed on exec, so no child process keeps it by accident.
std::error_code FileLock::Acquire(const std::string& path, int64_t* holder_pid) {
  *holder_pid = 0;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return LastError();
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::error_code error = LastError();
    char text[16];
    const ssize_t count = pread(fd, text, sizeof text, 0);
    if (count > 0) *holder_pid = ParsePid(text, static_cast<size_t>(count));
    close(fd);
    return error.value() == EWOULDBLOCK ? std::make_error_code(std::errc::resource_unavailable_try_again) : error;
  }
  WriteText(fd, std::to_string(getpid()) + "\n");
  fd_ = fd;
  return {};
}

std::error_code LockOpenFile(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  return errno == EWOULDBLOCK ? std::make_error_code(std::errc::resource_unavailable_try_again) : LastError();
}

void FileLock::Release() {
  if (fd_ < 0) return;
  WriteText(fd_, "");
  close(fd_);
  fd_ = -1;
}

#endif

}  // namespace snapheap
