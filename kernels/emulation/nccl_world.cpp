#include "kernels/emulation/nccl_world.h"

#include <algorithm>
#include <cstring>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"

namespace metatape::kernels::emulation {
namespace {

using Kind = NcclCall::Kind;

/// `given`, the other side of `call`, has to be of the same size and in the same kind of launch.
void require_agreement(const NcclCall& call, const NcclCall& given) {
  if (call.count != given.count || call.element_bytes != given.element_bytes) {
    refuse(call.name(), call.site,
           call.text() + " on rank " + std::to_string(call.rank) + " meets " + given.text() +
               " on rank " + std::to_string(given.rank) + "; their sizes have to be the same");
  }
  if (call.captured != given.captured) {
    refuse(call.name(), call.site,
           "captured on rank " + std::to_string((call.captured ? call : given).rank) +
               ", but not on rank " + std::to_string((call.captured ? given : call).rank) + " (" +
               text_of(given.site) + "); all ranks capture an operation, or none does");
  }
}

void move_bytes(char* to, const char* from, std::size_t bytes) {
  const DeviceAccess access;
  if (bytes > 0) std::memmove(to, from, bytes);
}

}  // namespace

const char* NcclCall::name() const {
  switch (kind) {
    case Kind::send:
      return "ncclSend";
    case Kind::receive:
      return "ncclRecv";
    case Kind::gather:
      return "ncclAllGather";
    case Kind::broadcast:
      return "ncclBroadcast";
  }
  return "unknown";
}

std::string NcclCall::text() const {
  std::string text = std::string(name()) + " of " + std::to_string(count) + " elements of " +
                     std::to_string(element_bytes) + " bytes";
  if (kind == Kind::send) text += " to rank " + std::to_string(peer);
  if (kind == Kind::receive) text += " from rank " + std::to_string(peer);
  if (kind == Kind::broadcast) text += " from root " + std::to_string(peer);
  return text + " at " + text_of(site);
}

NcclWorld::Queue& NcclWorld::queue_of(const NcclCall& call) {
  if (call.is_collective()) return collectives_[std::size_t(call.rank)];
  if (call.kind == Kind::send) return channels_[{call.rank, call.peer}].sends;
  return channels_[{call.peer, call.rank}].receives;
}

void NcclWorld::arrive(NcclArrival& arrival) {
  const NcclCall& call = *arrival.call;
  queue_of(call).push_back(&arrival);
  if (call.is_collective())
    meet_all();
  else if (call.kind == Kind::send)
    meet(channels_[{call.rank, call.peer}]);
  else
    meet(channels_[{call.peer, call.rank}]);
}

void NcclWorld::withdraw(NcclArrival& arrival) { std::erase(queue_of(*arrival.call), &arrival); }

bool NcclWorld::is_hopeless(const NcclCall& call) const {
  if (call.is_collective()) return std::ranges::any_of(members, &Member::gone);
  return members[std::size_t(call.peer)].gone;
}

void NcclWorld::meet(Channel& channel) {
  while (!channel.sends.empty() && !channel.receives.empty()) {
    NcclArrival& send = *channel.sends.front();
    NcclArrival& receive = *channel.receives.front();
    require_agreement(*receive.call, *send.call);
    move_bytes(receive.call->to, send.call->from, send.call->bytes());
    send.done = receive.done = true;
    channel.sends.pop_front();
    channel.receives.pop_front();
  }
}

void NcclWorld::meet_all() {
  while (std::ranges::none_of(collectives_, &Queue::empty)) {
    const NcclCall& first = *collectives_.front().front()->call;
    for (const Queue& queue : collectives_) {
      const NcclCall& call = *queue.front()->call;
      if (call.kind != first.kind || call.peer != first.peer)
        refuse(call.name(), call.site,
               call.text() + " on rank " + std::to_string(call.rank) + " meets " + first.text() +
                   " on rank 0; all ranks have to make the same calls in the same order");
      require_agreement(call, first);
    }
    for (const Queue& queue : collectives_) {
      const NcclCall& source = *queue.front()->call;
      if (first.kind == Kind::broadcast && source.rank != first.peer) continue;
      const std::size_t place = first.kind == Kind::gather ? source.rank * source.bytes() : 0;
      for (const Queue& other : collectives_)
        move_bytes(other.front()->call->to + place, source.from, source.bytes());
    }
    for (Queue& queue : collectives_) {
      queue.front()->done = true;
      queue.pop_front();
    }
  }
}

}  // namespace metatape::kernels::emulation
