/* A libnvidia-ml.so.1 for tests: the C interface of NVIDIA's library, with a machine behind it that
 * STUB_NVML names: "ok" (one T4), "mig" (an A100 cut in two), "no_driver", "mismatch". Types and
 * return codes are those of nvml.h; a function that is not here is one that an older driver lacks. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, LIB_RM_VERSION_MISMATCH = 18 };

typedef struct { int slice; const char *name, *uuid; unsigned long long used, total; } Device;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;

static const unsigned long long GIB = 1ull << 30;
static Device t4 = {0, "Tesla T4", "GPU-t4", 3ull << 30, 15ull << 30};
static Device whole = {0, "NVIDIA A100-SXM4-40GB", "GPU-a100", 0, 40ull << 30};
static Device slices[2] = {{1, "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "MIG-1", 1ull << 30, 20ull << 30},
                           {1, "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "MIG-2", 2ull << 30, 20ull << 30}};

static int is(const char *what) { const char *set = getenv("STUB_NVML"); return set && !strcmp(set, what); }
static int put(unsigned *to, unsigned value) { *to = value; return SUCCESS; }
static int text(char *to, unsigned size, const char *value) { snprintf(to, size, "%s", value); return SUCCESS; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    return is("no_driver") ? DRIVER_NOT_LOADED : is("mismatch") ? LIB_RM_VERSION_MISMATCH : SUCCESS;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *to, unsigned size) { return text(to, size, "580.95.05"); }
int nvmlSystemGetCudaDriverVersion_v2(int *to) { *to = 13010; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *to) { return put(to, 1); }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **to) {
    if (index) return NOT_FOUND;
    *to = is("mig") ? &whole : &t4;
    return SUCCESS;
}
int nvmlDeviceGetMigMode(Device *device, unsigned *now, unsigned *pending) {
    if (device == &t4) return NOT_SUPPORTED;
    *now = *pending = 1;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *device, unsigned *to) { (void)device; return put(to, 7); }
int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, unsigned index, Device **to) {
    if (device != &whole || index >= 2) return NOT_FOUND;
    *to = &slices[index];
    return SUCCESS;
}
int nvmlDeviceGetName(Device *device, char *to, unsigned size) { return text(to, size, device->name); }
int nvmlDeviceGetUUID(Device *device, char *to, unsigned size) { return text(to, size, device->uuid); }
int nvmlDeviceGetUtilizationRates(Device *device, Utilization *to) {
    if (device != &t4) return NOT_SUPPORTED; /* as nvml.h says of a GPU in MIG mode */
    to->gpu = 37;
    to->memory = 12;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(Device *device, Memory *to) {
    if (device == &whole) return NO_PERMISSION; /* a slice's user may not ask the whole */
    *to = (Memory){device->total, device->total - device->used, device->used};
    return SUCCESS;
}
int nvmlDeviceGetPowerUsage(Device *device, unsigned *to) { return device->slice ? NOT_SUPPORTED : put(to, 40500); }
int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *to) { return device->slice ? NOT_SUPPORTED : put(to, 70000); }
int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *to) { (void)sensor; return device->slice ? NOT_SUPPORTED : put(to, 51); }
int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *to) {
    unsigned room = *count;
    if (device != &t4) return NOT_SUPPORTED;
    *count = 1;
    if (room < 1 || !to) return INSUFFICIENT_SIZE;
    to[0] = (Process){4242, 2 * GIB, ~0u, ~0u};
    return SUCCESS;
}
