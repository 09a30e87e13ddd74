#include "engine/io/folder_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

bool is_clean(const TemporaryFolder& folder) { return std::filesystem::is_empty(folder.path()); }

TEST(FolderLock, LetsOneInAtATime) {
  const TemporaryFolder folder;
  {
    const FolderLock lock(folder.path());
    expect_error(ErrorKind::usage, "process " + std::to_string(::getpid()) + " on ",
                 [&] { FolderLock second(folder.path()); });
    expect_error(ErrorKind::usage, "is at work in this folder; wait for it",
                 [&] { FolderLock third(folder.path()); });
  }
  EXPECT_TRUE(is_clean(folder));
  const FolderLock again(folder.path());
}

TEST(FolderLock, WaitsIfAsked) {
  constexpr int kProcesses = 4, kTurns = 50;
  const TemporaryFolder folder;
  write_text(folder / "count", "0");
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() != 0) continue;
    for (int turn = 0; turn < kTurns; ++turn) {
      const FolderLock lock(folder.path(), ".count.lock", FolderLock::Busy::wait);
      write_text(folder / "count", std::to_string(std::stoi(read_text(folder / "count")) + 1));
    }
    ::_exit(0);
  }
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_text(folder / "count"), std::to_string(kProcesses * kTurns));
}

TEST(FolderLock, MovesAndGoesOnce) {
  const TemporaryFolder folder;
  {
    FolderLock lock(folder.path());
    FolderLock moved(std::move(lock));
    EXPECT_THROW(FolderLock(folder.path()), Error);
  }
  EXPECT_TRUE(is_clean(folder));
}

TEST(FolderLock, IsDroppedWithAProcessThatIsKilled) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const FolderLock lock(folder.path());
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(is_clean(folder)) << "the file is still there";
  const FolderLock lock(folder.path());
}

TEST(FolderLock, NamesAFolderThatItCannotWriteTo) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::io, ".lock] cannot create the file: No such file or directory",
               [&] { FolderLock lock(folder / "missing"); });
}

}  // namespace
}  // namespace metatape
