//! A large block.
#![deny(warnings)]

use nanolith::{TaskSet, prelude::*};

pub struct Large;

#[define]
impl Large {
    pub fn task_000(x: i64, y: i64) -> i64 {
        x + y + 0
    }

    pub fn task_001(x: i64, y: i64) -> i64 {
        x + y + 1
    }

    pub fn task_002(x: i64, y: i64) -> i64 {
        x + y + 2
    }

    pub fn task_003(x: i64, y: i64) -> i64 {
        x + y + 3
    }

    pub fn task_004(x: i64, y: i64) -> i64 {
        x + y + 4
    }

    pub fn task_005(x: i64, y: i64) -> i64 {
        x + y + 5
    }

    pub fn task_006(x: i64, y: i64) -> i64 {
        x + y + 6
    }

    pub fn task_007(x: i64, y: i64) -> i64 {
        x + y + 7
    }

    pub fn task_008(x: i64, y: i64) -> i64 {
        x + y + 8
    }

    pub fn task_009(x: i64, y: i64) -> i64 {
        x + y + 9
    }

    pub fn task_010(x: i64, y: i64) -> i64 {
        x + y + 10
    }

    pub fn task_011(x: i64, y: i64) -> i64 {
        x + y + 11
    }

    pub fn task_012(x: i64, y: i64) -> i64 {
        x + y + 12
    }

    pub fn task_013(x: i64, y: i64) -> i64 {
        x + y + 13
    }

    pub fn task_014(x: i64, y: i64) -> i64 {
        x + y + 14
    }

    pub fn task_015(x: i64, y: i64) -> i64 {
        x + y + 15
    }

    pub fn task_016(x: i64, y: i64) -> i64 {
        x + y + 16
    }

    pub fn task_017(x: i64, y: i64) -> i64 {
        x + y + 17
    }

    pub fn task_018(x: i64, y: i64) -> i64 {
        x + y + 18
    }

    pub fn task_019(x: i64, y: i64) -> i64 {
        x + y + 19
    }

    pub fn task_020(x: i64, y: i64) -> i64 {
        x + y + 20
    }

    pub fn task_021(x: i64, y: i64) -> i64 {
        x + y + 21
    }

    pub fn task_022(x: i64, y: i64) -> i64 {
        x + y + 22
    }

    pub fn task_023(x: i64, y: i64) -> i64 {
        x + y + 23
    }

    pub fn task_024(x: i64, y: i64) -> i64 {
        x + y + 24
    }

    pub fn task_025(x: i64, y: i64) -> i64 {
        x + y + 25
    }

    pub fn task_026(x: i64, y: i64) -> i64 {
        x + y + 26
    }

    pub fn task_027(x: i64, y: i64) -> i64 {
        x + y + 27
    }

    pub fn task_028(x: i64, y: i64) -> i64 {
        x + y + 28
    }

    pub fn task_029(x: i64, y: i64) -> i64 {
        x + y + 29
    }

    pub fn task_030(x: i64, y: i64) -> i64 {
        x + y + 30
    }

    pub fn task_031(x: i64, y: i64) -> i64 {
        x + y + 31
    }

    pub fn task_032(x: i64, y: i64) -> i64 {
        x + y + 32
    }

    pub fn task_033(x: i64, y: i64) -> i64 {
        x + y + 33
    }

    pub fn task_034(x: i64, y: i64) -> i64 {
        x + y + 34
    }

    pub fn task_035(x: i64, y: i64) -> i64 {
        x + y + 35
    }

    pub fn task_036(x: i64, y: i64) -> i64 {
        x + y + 36
    }

    pub fn task_037(x: i64, y: i64) -> i64 {
        x + y + 37
    }

    pub fn task_038(x: i64, y: i64) -> i64 {
        x + y + 38
    }

    pub fn task_039(x: i64, y: i64) -> i64 {
        x + y + 39
    }

    pub fn task_040(x: i64, y: i64) -> i64 {
        x + y + 40
    }

    pub fn task_041(x: i64, y: i64) -> i64 {
        x + y + 41
    }

    pub fn task_042(x: i64, y: i64) -> i64 {
        x + y + 42
    }

    pub fn task_043(x: i64, y: i64) -> i64 {
        x + y + 43
    }

    pub fn task_044(x: i64, y: i64) -> i64 {
        x + y + 44
    }

    pub fn task_045(x: i64, y: i64) -> i64 {
        x + y + 45
    }

    pub fn task_046(x: i64, y: i64) -> i64 {
        x + y + 46
    }

    pub fn task_047(x: i64, y: i64) -> i64 {
        x + y + 47
    }

    pub fn task_048(x: i64, y: i64) -> i64 {
        x + y + 48
    }

    pub fn task_049(x: i64, y: i64) -> i64 {
        x + y + 49
    }

    pub fn task_050(x: i64, y: i64) -> i64 {
        x + y + 50
    }

    pub fn task_051(x: i64, y: i64) -> i64 {
        x + y + 51
    }

    pub fn task_052(x: i64, y: i64) -> i64 {
        x + y + 52
    }

    pub fn task_053(x: i64, y: i64) -> i64 {
        x + y + 53
    }

    pub fn task_054(x: i64, y: i64) -> i64 {
        x + y + 54
    }

    pub fn task_055(x: i64, y: i64) -> i64 {
        x + y + 55
    }

    pub fn task_056(x: i64, y: i64) -> i64 {
        x + y + 56
    }

    pub fn task_057(x: i64, y: i64) -> i64 {
        x + y + 57
    }

    pub fn task_058(x: i64, y: i64) -> i64 {
        x + y + 58
    }

    pub fn task_059(x: i64, y: i64) -> i64 {
        x + y + 59
    }

    pub fn task_060(x: i64, y: i64) -> i64 {
        x + y + 60
    }

    pub fn task_061(x: i64, y: i64) -> i64 {
        x + y + 61
    }

    pub fn task_062(x: i64, y: i64) -> i64 {
        x + y + 62
    }

    pub fn task_063(x: i64, y: i64) -> i64 {
        x + y + 63
    }

    pub fn task_064(x: i64, y: i64) -> i64 {
        x + y + 64
    }

    pub fn task_065(x: i64, y: i64) -> i64 {
        x + y + 65
    }

    pub fn task_066(x: i64, y: i64) -> i64 {
        x + y + 66
    }

    pub fn task_067(x: i64, y: i64) -> i64 {
        x + y + 67
    }

    pub fn task_068(x: i64, y: i64) -> i64 {
        x + y + 68
    }

    pub fn task_069(x: i64, y: i64) -> i64 {
        x + y + 69
    }

    pub fn task_070(x: i64, y: i64) -> i64 {
        x + y + 70
    }

    pub fn task_071(x: i64, y: i64) -> i64 {
        x + y + 71
    }

    pub fn task_072(x: i64, y: i64) -> i64 {
        x + y + 72
    }

    pub fn task_073(x: i64, y: i64) -> i64 {
        x + y + 73
    }

    pub fn task_074(x: i64, y: i64) -> i64 {
        x + y + 74
    }

    pub fn task_075(x: i64, y: i64) -> i64 {
        x + y + 75
    }

    pub fn task_076(x: i64, y: i64) -> i64 {
        x + y + 76
    }

    pub fn task_077(x: i64, y: i64) -> i64 {
        x + y + 77
    }

    pub fn task_078(x: i64, y: i64) -> i64 {
        x + y + 78
    }

    pub fn task_079(x: i64, y: i64) -> i64 {
        x + y + 79
    }

    pub fn task_080(x: i64, y: i64) -> i64 {
        x + y + 80
    }

    pub fn task_081(x: i64, y: i64) -> i64 {
        x + y + 81
    }

    pub fn task_082(x: i64, y: i64) -> i64 {
        x + y + 82
    }

    pub fn task_083(x: i64, y: i64) -> i64 {
        x + y + 83
    }

    pub fn task_084(x: i64, y: i64) -> i64 {
        x + y + 84
    }

    pub fn task_085(x: i64, y: i64) -> i64 {
        x + y + 85
    }

    pub fn task_086(x: i64, y: i64) -> i64 {
        x + y + 86
    }

    pub fn task_087(x: i64, y: i64) -> i64 {
        x + y + 87
    }

    pub fn task_088(x: i64, y: i64) -> i64 {
        x + y + 88
    }

    pub fn task_089(x: i64, y: i64) -> i64 {
        x + y + 89
    }

    pub fn task_090(x: i64, y: i64) -> i64 {
        x + y + 90
    }

    pub fn task_091(x: i64, y: i64) -> i64 {
        x + y + 91
    }

    pub fn task_092(x: i64, y: i64) -> i64 {
        x + y + 92
    }

    pub fn task_093(x: i64, y: i64) -> i64 {
        x + y + 93
    }

    pub fn task_094(x: i64, y: i64) -> i64 {
        x + y + 94
    }

    pub fn task_095(x: i64, y: i64) -> i64 {
        x + y + 95
    }

    pub fn task_096(x: i64, y: i64) -> i64 {
        x + y + 96
    }

    pub fn task_097(x: i64, y: i64) -> i64 {
        x + y + 97
    }

    pub fn task_098(x: i64, y: i64) -> i64 {
        x + y + 98
    }

    pub fn task_099(x: i64, y: i64) -> i64 {
        x + y + 99
    }

    pub fn task_100(x: i64, y: i64) -> i64 {
        x + y + 100
    }

    pub fn task_101(x: i64, y: i64) -> i64 {
        x + y + 101
    }

    pub fn task_102(x: i64, y: i64) -> i64 {
        x + y + 102
    }

    pub fn task_103(x: i64, y: i64) -> i64 {
        x + y + 103
    }

    pub fn task_104(x: i64, y: i64) -> i64 {
        x + y + 104
    }

    pub fn task_105(x: i64, y: i64) -> i64 {
        x + y + 105
    }

    pub fn task_106(x: i64, y: i64) -> i64 {
        x + y + 106
    }

    pub fn task_107(x: i64, y: i64) -> i64 {
        x + y + 107
    }

    pub fn task_108(x: i64, y: i64) -> i64 {
        x + y + 108
    }

    pub fn task_109(x: i64, y: i64) -> i64 {
        x + y + 109
    }

    pub fn task_110(x: i64, y: i64) -> i64 {
        x + y + 110
    }

    pub fn task_111(x: i64, y: i64) -> i64 {
        x + y + 111
    }

    pub fn task_112(x: i64, y: i64) -> i64 {
        x + y + 112
    }

    pub fn task_113(x: i64, y: i64) -> i64 {
        x + y + 113
    }

    pub fn task_114(x: i64, y: i64) -> i64 {
        x + y + 114
    }

    pub fn task_115(x: i64, y: i64) -> i64 {
        x + y + 115
    }

    pub fn task_116(x: i64, y: i64) -> i64 {
        x + y + 116
    }

    pub fn task_117(x: i64, y: i64) -> i64 {
        x + y + 117
    }

    pub fn task_118(x: i64, y: i64) -> i64 {
        x + y + 118
    }

    pub fn task_119(x: i64, y: i64) -> i64 {
        x + y + 119
    }

    pub fn task_120(x: i64, y: i64) -> i64 {
        x + y + 120
    }

    pub fn task_121(x: i64, y: i64) -> i64 {
        x + y + 121
    }

    pub fn task_122(x: i64, y: i64) -> i64 {
        x + y + 122
    }

    pub fn task_123(x: i64, y: i64) -> i64 {
        x + y + 123
    }

    pub fn task_124(x: i64, y: i64) -> i64 {
        x + y + 124
    }

    pub fn task_125(x: i64, y: i64) -> i64 {
        x + y + 125
    }

    pub fn task_126(x: i64, y: i64) -> i64 {
        x + y + 126
    }

    pub fn task_127(x: i64, y: i64) -> i64 {
        x + y + 127
    }

    pub fn task_128(x: i64, y: i64) -> i64 {
        x + y + 128
    }

    pub fn task_129(x: i64, y: i64) -> i64 {
        x + y + 129
    }

    pub fn task_130(x: i64, y: i64) -> i64 {
        x + y + 130
    }

    pub fn task_131(x: i64, y: i64) -> i64 {
        x + y + 131
    }

    pub fn task_132(x: i64, y: i64) -> i64 {
        x + y + 132
    }

    pub fn task_133(x: i64, y: i64) -> i64 {
        x + y + 133
    }

    pub fn task_134(x: i64, y: i64) -> i64 {
        x + y + 134
    }

    pub fn task_135(x: i64, y: i64) -> i64 {
        x + y + 135
    }

    pub fn task_136(x: i64, y: i64) -> i64 {
        x + y + 136
    }

    pub fn task_137(x: i64, y: i64) -> i64 {
        x + y + 137
    }

    pub fn task_138(x: i64, y: i64) -> i64 {
        x + y + 138
    }

    pub fn task_139(x: i64, y: i64) -> i64 {
        x + y + 139
    }

    pub fn task_140(x: i64, y: i64) -> i64 {
        x + y + 140
    }

    pub fn task_141(x: i64, y: i64) -> i64 {
        x + y + 141
    }

    pub fn task_142(x: i64, y: i64) -> i64 {
        x + y + 142
    }

    pub fn task_143(x: i64, y: i64) -> i64 {
        x + y + 143
    }

    pub fn task_144(x: i64, y: i64) -> i64 {
        x + y + 144
    }

    pub fn task_145(x: i64, y: i64) -> i64 {
        x + y + 145
    }

    pub fn task_146(x: i64, y: i64) -> i64 {
        x + y + 146
    }

    pub fn task_147(x: i64, y: i64) -> i64 {
        x + y + 147
    }

    pub fn task_148(x: i64, y: i64) -> i64 {
        x + y + 148
    }

    pub fn task_149(x: i64, y: i64) -> i64 {
        x + y + 149
    }

    pub fn task_150(x: i64, y: i64) -> i64 {
        x + y + 150
    }

    pub fn task_151(x: i64, y: i64) -> i64 {
        x + y + 151
    }

    pub fn task_152(x: i64, y: i64) -> i64 {
        x + y + 152
    }

    pub fn task_153(x: i64, y: i64) -> i64 {
        x + y + 153
    }

    pub fn task_154(x: i64, y: i64) -> i64 {
        x + y + 154
    }

    pub fn task_155(x: i64, y: i64) -> i64 {
        x + y + 155
    }

    pub fn task_156(x: i64, y: i64) -> i64 {
        x + y + 156
    }

    pub fn task_157(x: i64, y: i64) -> i64 {
        x + y + 157
    }

    pub fn task_158(x: i64, y: i64) -> i64 {
        x + y + 158
    }

    pub fn task_159(x: i64, y: i64) -> i64 {
        x + y + 159
    }

    pub fn task_160(x: i64, y: i64) -> i64 {
        x + y + 160
    }

    pub fn task_161(x: i64, y: i64) -> i64 {
        x + y + 161
    }

    pub fn task_162(x: i64, y: i64) -> i64 {
        x + y + 162
    }

    pub fn task_163(x: i64, y: i64) -> i64 {
        x + y + 163
    }

    pub fn task_164(x: i64, y: i64) -> i64 {
        x + y + 164
    }

    pub fn task_165(x: i64, y: i64) -> i64 {
        x + y + 165
    }

    pub fn task_166(x: i64, y: i64) -> i64 {
        x + y + 166
    }

    pub fn task_167(x: i64, y: i64) -> i64 {
        x + y + 167
    }

    pub fn task_168(x: i64, y: i64) -> i64 {
        x + y + 168
    }

    pub fn task_169(x: i64, y: i64) -> i64 {
        x + y + 169
    }

    pub fn task_170(x: i64, y: i64) -> i64 {
        x + y + 170
    }

    pub fn task_171(x: i64, y: i64) -> i64 {
        x + y + 171
    }

    pub fn task_172(x: i64, y: i64) -> i64 {
        x + y + 172
    }

    pub fn task_173(x: i64, y: i64) -> i64 {
        x + y + 173
    }

    pub fn task_174(x: i64, y: i64) -> i64 {
        x + y + 174
    }

    pub fn task_175(x: i64, y: i64) -> i64 {
        x + y + 175
    }

    pub fn task_176(x: i64, y: i64) -> i64 {
        x + y + 176
    }

    pub fn task_177(x: i64, y: i64) -> i64 {
        x + y + 177
    }

    pub fn task_178(x: i64, y: i64) -> i64 {
        x + y + 178
    }

    pub fn task_179(x: i64, y: i64) -> i64 {
        x + y + 179
    }

    pub fn task_180(x: i64, y: i64) -> i64 {
        x + y + 180
    }

    pub fn task_181(x: i64, y: i64) -> i64 {
        x + y + 181
    }

    pub fn task_182(x: i64, y: i64) -> i64 {
        x + y + 182
    }

    pub fn task_183(x: i64, y: i64) -> i64 {
        x + y + 183
    }

    pub fn task_184(x: i64, y: i64) -> i64 {
        x + y + 184
    }

    pub fn task_185(x: i64, y: i64) -> i64 {
        x + y + 185
    }

    pub fn task_186(x: i64, y: i64) -> i64 {
        x + y + 186
    }

    pub fn task_187(x: i64, y: i64) -> i64 {
        x + y + 187
    }

    pub fn task_188(x: i64, y: i64) -> i64 {
        x + y + 188
    }

    pub fn task_189(x: i64, y: i64) -> i64 {
        x + y + 189
    }

    pub fn task_190(x: i64, y: i64) -> i64 {
        x + y + 190
    }

    pub fn task_191(x: i64, y: i64) -> i64 {
        x + y + 191
    }

    pub fn task_192(x: i64, y: i64) -> i64 {
        x + y + 192
    }

    pub fn task_193(x: i64, y: i64) -> i64 {
        x + y + 193
    }

    pub fn task_194(x: i64, y: i64) -> i64 {
        x + y + 194
    }

    pub fn task_195(x: i64, y: i64) -> i64 {
        x + y + 195
    }

    pub fn task_196(x: i64, y: i64) -> i64 {
        x + y + 196
    }

    pub fn task_197(x: i64, y: i64) -> i64 {
        x + y + 197
    }

    pub fn task_198(x: i64, y: i64) -> i64 {
        x + y + 198
    }

    pub fn task_199(x: i64, y: i64) -> i64 {
        x + y + 199
    }
}

fn main() {
    assert_eq!(Large::TASKS.len(), 200);
    assert_eq!(Large::tasks().task_199(1, 2).wait().unwrap(), 202);
}
