/* A driver's library with one T4, for programs that load libnvidia-ml.so.1 by its name.
 *
 * How busy the GPU is stands, in percent, in a file beside this library that has the machine's
 * host name; behind it, how many milliseconds an answer to that takes, 0 if nothing stands there.
 * Without the file it is idle. It holds 8 GiB of memory all the while.
 * Numbers and layouts: https://docs.nvidia.com/deploy/nvml-api/
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Utilization;

static int text(const char *from, char *to, unsigned int length) {
    snprintf(to, length, "%s", from);
    return SUCCESS;
}

static unsigned int percent(void) {
    Dl_info here;
    char path[4096], host[256] = "";
    unsigned int found = 0, milliseconds = 0;
    if (!dladdr((void *)percent, &here) || gethostname(host, sizeof host - 1))
        return 0;
    snprintf(path, sizeof path, "%s", here.dli_fname);
    char *slash = strrchr(path, '/');
    if (!slash)
        return 0;
    snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s", host);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%u %u", &found, &milliseconds) < 1)
            found = 0;
        fclose(file);
    }
    usleep(milliseconds * 1000);
    return found > 100 ? 100 : found;
}

int nvmlInitWithFlags(unsigned int flags) { (void)flags; return SUCCESS; }
int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == SUCCESS ? "Success" : "Invalid Argument"; }
int nvmlSystemGetDriverVersion(char *to, unsigned int length) { return text("580.65", to, length); }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 1; return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    static int gpu;
    *device = &gpu;
    return index == 0 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetName(void *device, char *to, unsigned int length) {
    (void)device;
    return text("Tesla T4", to, length);
}

int nvmlDeviceGetUUID(void *device, char *to, unsigned int length) {
    (void)device;
    return text("GPU-0", to, length);
}

int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    (void)device;
    memory->total = 16ULL << 30;
    memory->used = 8ULL << 30;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, Utilization *rates) {
    (void)device;
    rates->gpu = percent();
    rates->memory = 0;
    return SUCCESS;
}
