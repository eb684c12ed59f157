/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses and bits of the 82599's registers, as many as mean something here.
 * The names are those of the data sheet (Intel 82599 10 GbE Controller, chapter
 * 8); the values were compared with the ixgbe driver's ixgbe_type.h.
 */
#ifndef NIC82599_REGISTER_H
#define NIC82599_REGISTER_H

#define BAR0_SIZE	0x80000
#define BAR4_SIZE	0x4000
#define QUEUES		128
#define VECTORS		64

/* 8.2.3.1 General control */
#define CTRL		0x00000
#define  CTRL_GIO_DIS	(1u << 2)
#define  CTRL_LNK_RST	(1u << 3)
#define  CTRL_RST	(1u << 26)
#define STATUS		0x00008
#define  STATUS_GIO	(1u << 19)
#define CTRL_EXT	0x00018
#define  CTRL_EXT_EXT_VLAN	(1u << 26)
#define ESDP		0x00020

/* 8.2.3.2 EEPROM, flash, semaphores */
#define EEC		0x10010
#define EERD		0x10014
#define SWSM		0x10140
#define FWSM		0x10148
#define GSSR		0x10160

/* 8.2.3.5 Interrupts */
#define EICR		0x00800
#define EICS		0x00808
#define EIAC		0x00810
#define EIMS		0x00880
#define EIMC		0x00888
#define EIAM		0x00890
#define GPIE		0x00898
#define  GPIE_MSIX	(1u << 4)
#define  GPIE_OCD	(1u << 5)
#define  GPIE_EIAME	(1u << 30)
#define EICS_EX(i)	(0x00a90 + 4 * (i))
#define EIMS_EX(i)	(0x00aa0 + 4 * (i))
#define EIMC_EX(i)	(0x00ab0 + 4 * (i))
#define EIAM_EX(i)	(0x00ad0 + 4 * (i))
#define EITR(i)		((i) < 24 ? 0x00820 + 4 * (i) : \
			 0x12300 + 4 * ((i) - 24))
#define  EITR_INTERVAL	0xff8
#define  EITR_CNT_WDIS	(1u << 31)
#define IVAR(i)		(0x00900 + 4 * (i))
#define IVAR_MISC	0x00a00
#define  IVAR_VALID	0x80
#define  CAUSE_QUEUES	0x0000ffffu
#define  CAUSE_FLOW_DIR	(1u << 16)
#define  CAUSE_MISS	(1u << 17)
#define  CAUSE_LSC	(1u << 20)

/* 8.2.3.7 Flow control */
#define FCCFG		0x03d00
#define  FCCFG_TFCE	(1u << 3)
#define FCRTL		0x03220		/* of the first packet buffer */
#define FCRTH		0x03260
#define  FCRTH_FCEN	(1u << 31)
#define  FCRT_BYTES	0x7ffe0
#define MFLCN		0x04294
#define  MFLCN_PMCF	(1u << 0)
#define  MFLCN_RFCE	(1u << 3)

/* 8.2.3.8 Receive DMA; n is a queue */
#define RX_BLOCK(n)	((n) < 64 ? 0x01000 + 0x40 * (n) : \
			 0x0d000 + 0x40 * ((n) - 64))
#define TX_BLOCK(n)	(0x06000 + 0x40 * (n))
#define  BLOCK_BAL	0x00
#define  BLOCK_BAH	0x04
#define  BLOCK_LEN	0x08
#define  BLOCK_HEAD	0x10
#define  BLOCK_SRRCTL	0x14	/* of queues 16 and up */
#define  BLOCK_TAIL	0x18
#define  BLOCK_DCTL	0x28
#define  BLOCK_RSCCTL	0x2c
#define  BLOCK_PACKETS	0x30	/* QPRC, QPTC, QPRDC */
#define  BLOCK_BYTES	0x34	/* QBRC_L */
#define  BLOCK_BYTES_H	0x38	/* QBRC_H, TDWBAL */
#define DCTL_ENABLE	(1u << 25)
#define DCTL_SWFLSH	(1u << 26)
#define RXDCTL_VME	(1u << 30)
#define TXDCTL_WTHRESH(v)	((v) >> 16 & 0x7f)
#define TDWBAL_ENABLE	1u
#define SRRCTL(n)	((n) < 16 ? 0x02100 + 4 * (n) : \
			 RX_BLOCK(n) + BLOCK_SRRCTL)
#define  SRRCTL_BSIZE(v)	(((v) & 0x1f) * 1024)
#define  SRRCTL_BSIZEHDR(v)	(((v) >> 8 & 0x3f) * 64)
#define  SRRCTL_DESCTYPE(v)	((v) >> 25 & 7)
#define  SRRCTL_DROP_EN	(1u << 28)
#define RSCCTL_RSCEN	1u
#define RXCTRL		0x03000
#define  RXCTRL_RXEN	1u
#define RDRXCTL		0x02f00
#define  RDRXCTL_CRCSTRIP	(1u << 1)
#define  RDRXCTL_DMAIDONE	(1u << 3)
#define RXPBSIZE(i)	(0x03c00 + 4 * (i))
#define SECRXCTRL	0x08d00
#define  SECRXCTRL_RX_DIS	(1u << 1)
#define SECRXSTAT	0x08d04
#define  SECRXSTAT_RDY	1u
#define SECTXSTAT	0x08804
#define  SECTXSTAT_RDY	1u

/* 8.2.3.9 Transmit DMA */
#define DMATXCTL	0x04a80
#define  DMATXCTL_TE	1u
#define DTXTCPFLGL	0x04a88
#define DTXTCPFLGH	0x04a8c

/* 8.2.3.7 Receive: filters, distribution */
#define RFCTL		0x05008
#define  RFCTL_RSC_DIS	(1u << 5)
#define RXCSUM		0x05000
#define  RXCSUM_PCSD	(1u << 13)
#define MTA(i)		(0x05200 + 4 * (i))
#define RAL(i)		((i) < 16 ? 0x05400 + 8 * (i) : 0x0a200 + 8 * (i))
#define RAH(i)		(RAL(i) + 4)
#define  RAH_AV		(1u << 31)
#define RARS		128
#define VFTA(i)		(0x0a000 + 4 * (i))
#define PSRTYPE(i)	(0x05480 + 4 * (i))
#define  PSRTYPE_TCP	(1u << 4)
#define  PSRTYPE_UDP	(1u << 5)
#define  PSRTYPE_IPV4	(1u << 8)
#define  PSRTYPE_IPV6	(1u << 9)
#define  PSRTYPE_L2	(1u << 12)
#define FCTRL		0x05080
#define  FCTRL_SBP	(1u << 1)
#define  FCTRL_MPE	(1u << 8)
#define  FCTRL_UPE	(1u << 9)
#define  FCTRL_BAM	(1u << 10)
#define VLNCTRL		0x05088
#define  VLNCTRL_VFE	(1u << 30)
#define EXVET		0x05078
#define MCSTCTRL	0x05090
#define  MCSTCTRL_MFE	(1u << 2)
#define MRQC		0x05818
#define  MRQC_IPV4_TCP	(1u << 16)
#define  MRQC_IPV4	(1u << 17)
#define  MRQC_IPV6	(1u << 20)
#define  MRQC_IPV6_TCP	(1u << 21)
#define  MRQC_IPV4_UDP	(1u << 22)
#define  MRQC_IPV6_UDP	(1u << 23)
#define RETA(i)		(0x05c00 + 4 * (i))
#define RSSRK(i)	(0x05c80 + 4 * (i))
#define FDIRCTRL	0x0ee00
#define  FDIRCTRL_INIT_DONE	(1u << 3)
#define FDIRHASH	0x0ee28
#define FDIRCMD		0x0ee2c
#define FDIRFREE	0x0ee38
#define FDIRMATCH	0x0ee58
#define FDIRMISS	0x0ee5c
#define FDIRHKEY	0x0ee68
#define FDIRSKEY	0x0ee6c

/* 8.2.3.22 MAC */
#define HLREG0		0x04240
#define  HLREG0_RXCRCSTRP	(1u << 1)
#define  HLREG0_JUMBOEN	(1u << 2)
#define  HLREG0_TXPADEN	(1u << 10)
#define  HLREG0_LPBK	(1u << 15)
#define  HLREG0_RXLNGTHERREN	(1u << 27)
#define MSCA		0x0425c
#define  MSCA_COMMAND	(1u << 30)
#define MSRWD		0x04260
#define MAXFRS		0x04268
#define AUTOC		0x042a0
#define  AUTOC_RESTART	(1u << 12)
#define LINKS		0x042a4
#define  LINKS_UP	(1u << 30)
#define  LINKS_10G	(3u << 28)
#define  LINKS_KX_AN_COMP	(1u << 31)
#define ANLP1		0x042b0

/* 8.2.3.23 Statistics: each is cleared by being read */
#define CRCERRS		0x04000
#define ILLERRC		0x04004
#define ERRBC		0x04008
#define MSPDC		0x04010
#define RLEC		0x04040
#define PRC64		0x0405c
#define GPRC		0x04074
#define BPRC		0x04078
#define MPRC		0x0407c
#define GPTC		0x04080
#define GORCL		0x04088
#define GOTCL		0x04090
#define LXONTXC		0x03f60
#define LXOFFTXC	0x03f68
#define RUC		0x040a4
#define RFC		0x040a8
#define ROC		0x040ac
#define RJC		0x040b0
#define TORL		0x040c0
#define TPR		0x040d0
#define TPT		0x040d4
#define PTC64		0x040d8
#define MPTC		0x040f0
#define BPTC		0x040f4
#define XEC		0x04120
#define LXONRXCNT	0x041a4
#define LXOFFRXCNT	0x041a8
#define RXNFGPC		0x041b0
#define RXDGPC		0x02f50
#define MPC(i)		(0x03fa0 + 4 * (i))
#define RNBC(i)		(0x03fc0 + 4 * (i))
#define QBTC_L(i)	(0x08700 + 8 * (i))
#define RQSMR(i)	(0x02300 + 4 * (i))
#define TQSM(i)		(0x08600 + 4 * (i))

#endif
