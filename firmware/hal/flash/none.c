/* Boards without flash that a program may write. */
#include "hal_port.h"

const mcu_flash *hal_flash(void) {
    return (const mcu_flash *)0;
}
