// SPDX-License-Identifier: GPL-2.0
/*
 * Board B: lets the interrupt of the UART that the rig's agent talks through reach the GIC.
 *
 * On the AST2700 most UARTs sit behind two controllers in a row, INTCIO and INTC, for which Linux
 * has a driver only since 6.15. Each holds its output until its status bit is written, so this
 * driver shares the GIC's interrupt with the UART's own and clears both on each. As it runs first,
 * what the UART signals later raises the interrupt again. Registers as QEMU's aspeed_intc.c.
 */
#include <linux/bits.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define ENABLE	       0x0
#define STATUS	       0x4
#define INTCIO_UART1   BIT(8) /* of GICINT196: all UARTs but UART4 */
#define INTC_GICINT196 BIT(4) /* of GICINT192 to 201 */

struct rig_intc {
	void __iomem *intcio, *intc;
};

static irqreturn_t clear_status(int irq, void *data)
{
	struct rig_intc *rig = data;

	if (!(readl(rig->intc + STATUS) & INTC_GICINT196))
		return IRQ_NONE;
	/* The source first: what it signals between the two writes waits in the other. */
	writel(INTCIO_UART1, rig->intcio + STATUS);
	writel(INTC_GICINT196, rig->intc + STATUS);
	return IRQ_HANDLED;
}

static int rig_intc_probe(struct platform_device *pdev)
{
	struct rig_intc *rig = devm_kzalloc(&pdev->dev, sizeof(*rig), GFP_KERNEL);
	int irq = platform_get_irq(pdev, 0), ret;

	if (!rig)
		return -ENOMEM;
	if (irq < 0)
		return irq;
	rig->intcio = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(rig->intcio))
		return PTR_ERR(rig->intcio);
	rig->intc = devm_platform_ioremap_resource(pdev, 1);
	if (IS_ERR(rig->intc))
		return PTR_ERR(rig->intc);
	ret = devm_request_irq(&pdev->dev, irq, clear_status, IRQF_SHARED, "rig-intc", rig);
	if (ret)
		return ret;
	writel(INTC_GICINT196, rig->intc + ENABLE);
	writel(INTCIO_UART1, rig->intcio + ENABLE);
	return 0;
}

static const struct of_device_id rig_intc_match[] = {
	{ .compatible = "bpmp-vmm,rig-intc" },
	{},
};
MODULE_DEVICE_TABLE(of, rig_intc_match);

static struct platform_driver rig_intc_driver = {
	.probe = rig_intc_probe,
	.driver = {
		.name = "rig_intc",
		.of_match_table = rig_intc_match,
		.suppress_bind_attrs = true,
	},
};
module_platform_driver(rig_intc_driver);
MODULE_DESCRIPTION("bpmp-vmm rig: acknowledges board B's UART interrupt");
MODULE_LICENSE("GPL");
