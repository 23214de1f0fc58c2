// One rank with a GPU, where there is one; it compiles and links everywhere.
#include <dvd/distributed/nccl_communicator.hpp>

int main() {
  if (dvd::Cuda::count() == 0) return 0;
  dvd::SingleProcess host;
  dvd::use_gpu_of_rank(host);
  dvd::NcclCommunicator ranks(host);
  return ranks.size() == 1 ? 0 : 1;
}
