#pragma once

// Where the operations of the ranks of one NCCL communicator meet.

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulation/nccl_api.h"

namespace metatape::kernels::emulation {

/// One call of ncclSend, ncclRecv, ncclAllGather or ncclBroadcast.
struct NcclCall {
  enum class Kind { send, receive, gather, broadcast };

  Kind kind;
  int rank;  ///< that calls
  int peer;  ///< of a send or receive; root of a broadcast
  const char* from = nullptr;
  char* to = nullptr;
  std::size_t count;
  std::size_t element_bytes;
  Site site;
  bool captured = false;

  std::size_t bytes() const { return count * element_bytes; }
  bool is_collective() const { return kind == Kind::gather || kind == Kind::broadcast; }
  const char* name() const;
  /// "ncclSend of 3 elements of 4 bytes to rank 1 at file:line"
  std::string text() const;
};

/// A call whose stream has reached it.
struct NcclArrival {
  const NcclCall* call;
  bool done = false;
};

class NcclWorld {
 public:
  struct Member {
    bool joined = false;
    bool gone = false;  ///< by abort
    int device = -1;
  };

  explicit NcclWorld(int size) : members(std::size_t(size)), collectives_(std::size_t(size)) {}

  int size() const { return int(members.size()); }

  /// Moves the data as soon as the other side is there too, and marks both done. Throws
  /// EmulationError where the sides differ.
  void arrive(NcclArrival&);
  void withdraw(NcclArrival&);
  /// Whether a rank that the call needs is gone.
  bool is_hopeless(const NcclCall&) const;

  std::vector<Member> members;  ///< by rank

 private:
  using Queue = std::deque<NcclArrival*>;
  struct Channel {
    Queue sends, receives;
  };

  Queue& queue_of(const NcclCall&);
  void meet(Channel&);
  void meet_all();

  std::map<std::pair<int, int>, Channel> channels_;  ///< by sender and receiver
  std::vector<Queue> collectives_;                   ///< by rank
};

}  // namespace metatape::kernels::emulation
