#include "engine/io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include "engine/io/mapped_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

long files_in(const TemporaryFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), {});
}

/// Runs `action` in a child process and returns its wait status.
template <class Action>
int in_child_process(Action&& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    action();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(AtomicFile, HoldsTheOldContentUntilCommit) {
  const TemporaryFolder folder;
  write_text(folder / "run.json", "old");
  AtomicFile file(folder / "run.json");
  file.write("new ");
  file.write("content");
  file.overwrite(0, std::as_bytes(std::span("NEW", 3)));
  EXPECT_EQ(read_text(folder / "run.json"), "old");
  file.commit();
  EXPECT_EQ(read_text(folder / "run.json"), "NEW content");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicFile, LeavesTheOldFileWithoutCommit) {
  const TemporaryFolder folder;
  write_text(folder / "run.json", "old");
  {
    AtomicFile file(folder / "run.json");
    file.write("new");
  }
  EXPECT_EQ(read_text(folder / "run.json"), "old");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicFile, KeepsTheMappingOfTheOldFile) {
  const TemporaryFolder folder;
  write_text(folder / "weights", "old");
  const MappedFile mapped(folder / "weights");
  write_file_atomically(folder / "weights", "something much longer");
  EXPECT_EQ(char(mapped.bytes()[0]), 'o');
  EXPECT_EQ(mapped.bytes().size(), 3u);
}

TEST(AtomicFile, SurvivesInterruptionsAndShortWrites) {
  static int calls;
  calls = 0;
  const FileCalls unsteady{
      .pwrite = [](int file, const void* data, size_t size, off_t at) -> ssize_t {
        if (++calls % 2) {
          errno = EINTR;
          return -1;
        }
        return ::pwrite(file, data, std::min<size_t>(size, 7), at);
      },
      .fsync = [](int file) -> int {
        if (++calls % 2) {
          errno = EINTR;
          return -1;
        }
        return ::fsync(file);
      }};
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100; ++i) content += std::to_string(i);
  AtomicFile file(folder / "run.json", unsteady);
  file.write(content);
  file.commit();
  EXPECT_EQ(read_text(folder / "run.json"), content);
  EXPECT_GT(calls, int(content.size()) / 7 * 2);
}

TEST(AtomicFile, IsReadBeforeItIsCommitted) {
  static int calls;
  calls = 0;
  const FileCalls unsteady{.pread = [](int file, void* data, size_t size, off_t at) -> ssize_t {
    if (++calls % 2) {
      errno = EINTR;
      return -1;
    }
    return ::pread(file, data, std::min<size_t>(size, 2), at);
  }};
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "pixels", unsteady);
    file.write("0123456789");
    std::string read(5, '\0');
    file.read(3, std::as_writable_bytes(std::span(read)));
    EXPECT_EQ(read, "34567");
    EXPECT_EQ(calls, 6) << "2, 2 and 1 bytes, each after an interruption";
    EXPECT_THROW(file.read(6, std::as_writable_bytes(std::span(read))), Error);
  }
  EXPECT_EQ(files_in(folder), 0) << "never committed";
}

TEST(AtomicFile, IsNamelessIfAsked) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "pixels");
  file.make_nameless();
  EXPECT_EQ(files_in(folder), 0);
  file.write("0123");
  std::string read(4, '\0');
  file.read(0, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, "0123");
  EXPECT_THROW(file.commit(), Error);
  EXPECT_EQ(files_in(folder), 0);
}

TEST(AtomicFile, NamesWhatCannotBeReadBack) {
  const TemporaryFolder folder;
  const auto read_with = [&](const FileCalls& calls) {
    AtomicFile file(folder / "pixels", calls);
    file.write("0123");
    std::string read(4, '\0');
    file.read(0, std::as_writable_bytes(std::span(read)));
  };
  const FileCalls broken{.pread = [](int, void*, size_t, off_t) -> ssize_t {
    errno = EIO;
    return -1;
  }};
  const FileCalls cut{.pread = [](int, void*, size_t, off_t) -> ssize_t { return 0; }};
  for (const FileCalls& calls : {broken, cut})
    expect_error(ErrorKind::io, "pixels] cannot read 4 bytes at offset 0: Input/output error",
                 [&] { read_with(calls); });
}

/// Writes "new" with `calls`: the error must hold `fragment`, and only the old file may remain.
void expect_old_file_after(const FileCalls& calls, const std::string& fragment) {
  const TemporaryFolder folder;
  write_text(folder / "run.json", "old");
  expect_error(ErrorKind::io, fragment, [&] {
    AtomicFile file(folder / "run.json", calls);
    file.write("new");
    file.commit();
  });
  EXPECT_EQ(read_text(folder / "run.json"), "old");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicFile, NamesAFullDiskAndKeepsTheOldFile) {
  const FileCalls disk_full{.pwrite = [](int, const void*, size_t, off_t) -> ssize_t {
    errno = ENOSPC;
    return -1;
  }};
  expect_old_file_after(disk_full, "run.json] cannot write 3 bytes at offset 0");
  expect_old_file_after(disk_full, "the disk is full: free space there");
}

TEST(AtomicFile, KeepsTheOldFileWhenAnyCallFails) {
  const FileCalls nothing_taken{
      .pwrite = [](int, const void*, size_t, off_t) -> ssize_t { return 0; }};
  const FileCalls sync_fails{.fsync = [](int) {
    errno = EIO;
    return -1;
  }};
  const FileCalls rename_fails{.rename = [](const char*, const char*) {
    errno = EACCES;
    return -1;
  }};
  expect_old_file_after(nothing_taken, "cannot write 3 bytes");
  expect_old_file_after(sync_fails, "cannot bring 3 bytes to the disk");
  expect_old_file_after(rename_fails, "cannot replace the file");
}

TEST(AtomicFile, ReportsTheFileSizeLimitOfTheProcess) {
  const TemporaryFolder folder;
  write_text(folder / "run.json", "old");
  const int status = in_child_process([&] {
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
    try {
      write_file_atomically(folder / "run.json", std::string(10'000, 'x'));
    } catch (const Error& error) {
      const std::string text = error.what();
      const bool says_all = text.find("cannot write 5904 bytes at offset 4096") != text.npos &&
                            text.find("ulimit -f") != text.npos;
      ::_exit(says_all ? 42 : 1);
    }
  });
  EXPECT_EQ(WEXITSTATUS(status), 42);
  EXPECT_EQ(read_text(folder / "run.json"), "old");
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicFile, NamesAMissingFolder) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::io, "its folder does not exist: create it",
               [&] { AtomicFile(folder / "missing/run.json"); });
  write_text(folder / "file", "");
  expect_error(ErrorKind::io, "cannot create the file: Not a directory",
               [&] { AtomicFile(folder / "file/run.json"); });
}

TEST(AtomicFile, LeavesDevicesAndFoldersAlone) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::io, "folder, expected a file", [&] { AtomicFile file(folder.path()); });
  expect_error(ErrorKind::io, "device or pipe", [] { AtomicFile file("/dev/full"); });
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(AtomicFile, RefusesMisuse) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "run.json");
  file.write("abc");
  expect_error(ErrorKind::internal, "only 3 bytes were written",
               [&] { file.overwrite(2, std::as_bytes(std::span("xy", 2))); });
  file.commit();
  expect_error(ErrorKind::internal, "committed twice", [&] { file.commit(); });
  expect_error(ErrorKind::internal, "write after commit", [&] { file.write("d"); });
}

TEST(AtomicFile, LeavesAReadableFileWhenKilled) {
  const TemporaryFolder folder;
  const std::string content(100'000, 'n');
  write_file_atomically(folder / "run.json", std::string(content.size(), 'o'));
  for (int attempt = 0; attempt < 20; ++attempt) {
    const pid_t child = ::fork();
    if (child == 0)
      for (;;) write_file_atomically(folder / "run.json", content);
    ::usleep(useconds_t(200 + 531 * attempt));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const std::string found = read_text(folder / "run.json");
    ASSERT_EQ(found.size(), content.size());
    ASSERT_EQ(std::count(found.begin(), found.end(), found[0]), long(content.size()));
  }
  remove_stale_temporaries(folder.path());
  EXPECT_EQ(files_in(folder), 1);
}

TEST(AtomicFile, CleanUpSparesFilesBeingWrittenAndForeignFiles) {
  const TemporaryFolder folder;
  write_text(folder / "run.json.partial-1-0", "left by a killed process");
  write_text(folder / "notes.txt", "mine");
  AtomicFile file(folder / "run.json");
  file.write("new");
  EXPECT_EQ(files_in(folder), 3);
  remove_stale_temporaries(folder.path());
  EXPECT_FALSE(std::filesystem::exists(folder / "run.json.partial-1-0"));
  file.commit();
  EXPECT_EQ(read_text(folder / "run.json"), "new");
  EXPECT_EQ(read_text(folder / "notes.txt"), "mine");
  remove_stale_temporaries(folder / "missing");
}

TEST(AtomicFile, CleanUpOfOneFileSparesTheOthers) {
  const TemporaryFolder folder;
  for (const char* name : {"set.mtd.partial-1-0", "other.mtd.partial-1-0", "set.mtd.partial-copy"})
    write_text(folder / name, "");
  remove_stale_temporaries_of(folder / "set.mtd");
  EXPECT_FALSE(std::filesystem::exists(folder / "set.mtd.partial-1-0"));
  EXPECT_EQ(files_in(folder), 2);
}

TEST(MappedFile, NamesWhatCannotBeRead) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::io, "No such file", [&] { MappedFile(folder / "missing"); });
  expect_error(ErrorKind::io, "is a folder, a pipe or a device",
               [&] { MappedFile mapped(folder.path()); });
}

TEST(MappedFile, RefusesAPipeInsteadOfWaitingForIt) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  constexpr unsigned kSeconds = 60;  // then the signal ends a process that waits
  ::alarm(kSeconds);
  expect_error(ErrorKind::io, "is a folder, a pipe or a device",
               [&] { MappedFile mapped(folder / "pipe"); });
  ::alarm(0);
}

TEST(MappedFile, MapsAnEmptyFile) {
  const TemporaryFolder folder;
  write_text(folder / "empty", "");
  MappedFile mapped(folder / "empty");
  EXPECT_TRUE(mapped.bytes().empty());
  write_text(folder / "full", "abc");
  mapped = MappedFile(folder / "full");
  EXPECT_EQ(mapped.bytes().size(), 3u);
}

}  // namespace
}  // namespace metatape
