#include <cstring>
#include <utility>

#include "kernels/emulation/grid.h"
#include "kernels/emulation/sanitizers.h"

namespace metatape::kernels::emulation {
namespace {

const char* name_of(Vote vote) {
  switch (vote) {
    case Vote::none:
      return "__syncthreads";
    case Vote::count:
      return "__syncthreads_count";
    case Vote::all:
      return "__syncthreads_and";
    case Vote::any:
      return "__syncthreads_or";
  }
  return "";
}

}  // namespace

bool same_line(Site a, Site b) {
  return a.line() == b.line() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

int Grid::block_barrier(Vote vote, bool predicate, Site site) {
  if (returned_ > 0) {
    std::string found = "a barrier after " + std::to_string(returned_) + " of " +
                        std::to_string(size_) +
                        " threads returned; every thread has to arrive before any returns";
    fail(site, std::move(found));
  }
  if (arrived_ == 0) {
    barrier_site_ = site;
    vote_ = vote;
    votes_ = 0;
  } else if (!same_line(site, barrier_site_) || vote != vote_) {
    std::string found = std::string(name_of(vote)) + " while " + std::to_string(arrived_) + " of " +
                        std::to_string(size_) + " threads wait in " + name_of(vote_) + " at " +
                        text_of(barrier_site_) +
                        "; a barrier in divergent code: all threads have to arrive at the same one";
    fail(site, std::move(found));
  }
  char* const object = &barrier_[barrier_turn_];
  release(object);
  votes_ += predicate;
  if (++arrived_ < size_) {
    wait(Thread::State::at_barrier, name_of(vote), site);
  } else {
    arrived_ = 0;
    barrier_turn_ ^= 1;
    vote_result_ = vote == Vote::all ? votes_ == size_ : vote == Vote::any ? votes_ > 0 : votes_;
    for (int i = 0; i < size_; ++i) thread_at(i).state = Thread::State::ready;
  }
  acquire(object);
  return vote_result_;
}

int block_barrier(Vote vote, bool predicate, Site site) {
  return current_grid()->block_barrier(vote, predicate, site);
}

}  // namespace metatape::kernels::emulation
