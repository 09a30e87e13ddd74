#include "kernels/ranks/mpi_communicator.h"

#if MT_HAVE_MPI
#include <mpi.h>

#include <cstdlib>
#include <vector>
#endif

namespace metatape::kernels {

#if MT_HAVE_MPI
namespace {

/// Errors end the run: MPI's own handler names the rank and the call.
class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  ~MpiCommunicator() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange_slices(const void* array, void* slices, std::int64_t count,
                       std::int64_t element_bytes, void*) override {
    const Slices all(count, size_);
    const int own = all.counts[std::size_t(rank_)];
    std::vector<int> received(std::size_t(size_), own), places;
    for (int r = 0; r < size_; ++r) places.push_back(r * own);
    MPI_Alltoallv(array, all.counts.data(), all.places.data(), type(element_bytes), slices,
                  received.data(), places.data(), type(element_bytes), MPI_COMM_WORLD);
  }

  void gather_slices(void* array, std::int64_t count, std::int64_t element_bytes, void*) override {
    const Slices all(count, size_);
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, array, all.counts.data(), all.places.data(),
                   type(element_bytes), MPI_COMM_WORLD);
  }

  void gather_blocks(const void* block, void* blocks, std::int64_t count,
                     std::int64_t element_bytes, void*) override {
    MPI_Allgather(block, int(count), type(element_bytes), blocks, int(count), type(element_bytes),
                  MPI_COMM_WORLD);
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  struct Slices {
    Slices(std::int64_t count, int ranks) {
      for (int r = 0; r < ranks; ++r) {
        const RankSlice slice = slice_of(count, r, ranks);
        counts.push_back(int(slice.count()));
        places.push_back(int(slice.begin));
      }
    }
    std::vector<int> counts, places;
  };

  static MPI_Datatype type(std::int64_t element_bytes) {
    return element_bytes == 8 ? MPI_UINT64_T : MPI_UINT32_T;
  }

  int rank_ = 0, size_ = 1;
};

}  // namespace

bool built_with_mpi() { return true; }

std::unique_ptr<Communicator> make_mpi_communicator() {
  return std::make_unique<MpiCommunicator>();
}
#else
bool built_with_mpi() { return false; }
std::unique_ptr<Communicator> make_mpi_communicator() { return nullptr; }
#endif

}  // namespace metatape::kernels
